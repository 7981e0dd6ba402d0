// Search without a server: pages read from files may not start a worker, so a hidden frame stands in for it.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      document.body.append(this.frame);
      this.frame.reply = (data) => this.dispatchEvent(new MessageEvent("message", {data}));
      this.loaded = new Promise((resolve) => this.frame.addEventListener("load", resolve));
      const page = this.frame.contentDocument;
      page.open();
      page.write(`<script>postMessage = (data) => frameElement.reply(data)</script><script src="${url}"></script>`);
      page.close();
    }

    postMessage(data) {
      this.loaded.then(() => this.frame.contentWindow.dispatchEvent(new MessageEvent("message", {data})));
    }
  };
}
