// What cannot be done now keeps the focus, and its place in the order of the Tab key, but does nothing.
addEventListener(
  "click",
  (event) => {
    if (!(event.target instanceof Element) || !event.target.closest("button[aria-disabled=true]")) return;
    event.preventDefault();
    event.stopImmediatePropagation();
  },
  true,
);
(() => {
  const root = document.documentElement;
  const act = "button[type=button]:not([popovertarget])";
  const fields = new Map();
  let kept, busy, word;
  const release = () => {
    if (!kept) return;
    delete kept.dataset.kept;
    if (busy === null) kept.removeAttribute("aria-busy");
    else kept.setAttribute("aria-busy", busy);
    kept = undefined;
  };
  const fail = () => {
    if (!kept) return;
    const name = (kept.getAttribute("aria-label") || kept.textContent).trim();
    release();
    if (!word) {
      const place = document.getElementById("stuck");
      place.hidden = false;
      word = document.createElement("div");
      word.className = "toast bad";
      word.setAttribute("role", "alert");
      place.append(word);
    }
    const again = document.createElement("a");
    again.className = "btn sm";
    again.href = "";
    again.textContent = "Reload the page";
    word.replaceChildren(`“${name}” was not done: the program of this page did not arrive. `, again);
  };
  const click = (event) => {
    const pressed = event.target instanceof Element && event.target.closest(act);
    if (!pressed || pressed.disabled) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    if (kept !== pressed) {
      release();
      kept = pressed;
      busy = kept.getAttribute("aria-busy");
      kept.dataset.kept = "";
      kept.setAttribute("aria-busy", "true");
    }
    if ("failed" in root.dataset) fail();
  };
  const type = ({ target }) => {
    if (!(target instanceof Element) || !target.matches("input, select, textarea")) return;
    const state = target.type === "file" ? {} : /^(checkbox|radio)$/.test(target.type) ? { checked: target.checked } : { value: target.value };
    fields.set(target, state);
  };
  const take = () => {
    watch.disconnect();
    removeEventListener("click", click, true);
    removeEventListener("input", type, true);
    removeEventListener("change", type, true);
    for (const [field, state] of fields) {
      if (!field.isConnected) continue;
      Object.assign(field, state);
      for (const name of ["input", "change"]) field.dispatchEvent(new Event(name, { bubbles: true }));
    }
    fields.clear();
    const pressed = kept;
    release();
    if (pressed?.isConnected) pressed.click();
  };
  const watch = new MutationObserver(() => {
    if ("ready" in root.dataset) take();
    else if ("failed" in root.dataset) fail();
  });
  addEventListener("click", click, true);
  addEventListener("input", type, true);
  addEventListener("change", type, true);
  watch.observe(root, { attributeFilter: ["data-ready", "data-failed"] });
})();
