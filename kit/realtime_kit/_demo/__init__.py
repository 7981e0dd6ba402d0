"""The call that `realtime demo` makes: the call itself, measures of its sound, and its picture."""
