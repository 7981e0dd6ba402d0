"""The version of realtime-kit, as its package metadata states it; nothing else."""

__version__ = "0.1.0"
