/**
 * Keeps the keyboard's place. When the element that has the focus goes, because what it was for is done, the focus
 * goes to what took its place, or to the nearest that is left; else it would fall to the top of the page.
 */
export function keepFocus() {
  /** @type {Place | undefined} */
  let last;
  document.addEventListener("focusin", ({ target }) => {
    if (target instanceof HTMLElement) last = placeOf(target);
  });
  new MutationObserver(() => {
    if (last && isLost() && !canTake(last.element)) restore(last);
  }).observe(document.body, {
    childList: true,
    subtree: true,
    attributes: true,
    attributeFilter: ["hidden", "disabled"],
  });
}

/**
 * Where an element is: the elements around it, from the inside out, each with its place among its siblings.
 * @typedef {{ element: HTMLElement, around: { element: Element, index: number }[] }} Place
 */

/**
 * @param {HTMLElement} element
 * @returns {Place}
 */
export function placeOf(element) {
  const around = [];
  for (let each = element.parentElement, child = /** @type {Element} */ (element); each; each = each.parentElement) {
    around.push({ element: each, index: [...each.children].indexOf(child) });
    child = each;
  }
  return { element, around };
}

/**
 * Gives the focus back to an element, or, when it is gone, to the nearest one.
 * @param {Place} place
 */
export function restore({ element, around }) {
  if (canTake(element)) {
    element.focus();
    return;
  }
  for (const { element: home, index } of around) {
    if (!home.isConnected || home === document.body) continue;
    const children = [...home.children];
    // What took its place, else what stands before it, the nearest first.
    const near = [children[index], ...children.slice(0, index).reverse()];
    const next = near.map((child) => child && firstIn(child)).find(Boolean) ?? firstIn(home);
    if (next) {
      next.focus();
      return;
    }
  }
}

/** Whether nothing has the focus. */
export function isLost() {
  const { activeElement } = document;
  return activeElement === null || activeElement === document.body;
}

/** @param {Element} box */
function firstIn(box) {
  const inside = [box, ...box.querySelectorAll("button, input, select, a[href], [tabindex]")];
  return inside.find(/** @returns {each is HTMLElement} */ (each) => each instanceof HTMLElement && canTake(each));
}

/** @param {HTMLElement} element */
function canTake(element) {
  return (
    element.isConnected &&
    element.matches("button:enabled, input:enabled, select:enabled, a[href], [tabindex]") &&
    element.checkVisibility()
  );
}
