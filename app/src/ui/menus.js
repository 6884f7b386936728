// The browser itself opens a menu, closes it on Esc and on a press elsewhere, and gives the focus back. What is left:
(() => {
  const menu = (node) => node instanceof Element && node.closest(".menu-list");
  const opener = (open) => document.querySelector(`[popovertarget="${open.id}"]`);
  // What is chosen closes its menu first, so that a dialog it opens gives the focus back to the menu's button. A choice of
  // several (a theme) leaves it open.
  addEventListener(
    "click",
    ({ target }) => {
      const open = menu(target);
      if (open && target.closest("a, button:not([aria-pressed])")) open.hidePopover();
    },
    true,
  );
  addEventListener("focusout", ({ target, relatedTarget: next }) => {
    const open = menu(target) || target.popoverTargetElement;
    if (open?.matches(".menu-list:popover-open") && next && !open.contains(next) && next.popoverTargetElement !== open) open.hidePopover();
  });
  // A menu inside the drawer: there the browser does not give the focus back.
  addEventListener(
    "toggle",
    ({ target, newState }) => {
      if (newState === "closed" && menu(target) === target && document.activeElement === document.body) opener(target)?.focus({ preventScroll: true });
    },
    true,
  );
})();
