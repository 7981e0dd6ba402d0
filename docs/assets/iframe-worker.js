// Offline search: browsers do not start workers on file: pages, so the worker's script runs in a hidden frame.
if (location.protocol === "file:") {
  window.Worker = class {
    constructor(url) {
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      document.body.append(this.frame);
      this.frame.reply = (data) => this.onmessage?.(new MessageEvent("message", {data}));
      this.loaded = new Promise((resolve) => this.frame.addEventListener("load", resolve));
      const page = this.frame.contentDocument;
      page.open();
      page.write(`<script>postMessage = (data) => frameElement.reply(data)</script><script src="${url}"></script>`);
      page.close();
    }

    postMessage(data) {
      this.loaded.then(() => this.frame.contentWindow.dispatchEvent(new MessageEvent("message", {data})));
    }

    terminate() {
      this.frame.remove();
    }
  };
}
