/**
 * Makes an element. Children that are strings become text, never markup: names, addresses and reasons
 * are strangers' words. Attributes and children that are null, undefined or false are left out.
 */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes))
    if (isGiven(value)) element.setAttribute(name, value === true ? "" : String(value));
  element.append(...children.flat().filter(isGiven));
  return element;
}

/** Whether somebody is logged in, as far as the page knows. */
export function isInside() {
  return document.body.dataset.session === "open";
}

/** Sets a text when it is another one: what stays the same keeps its selection, and is not read out again. */
export function tell(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Sets or removes an attribute. */
export function mark(element, name, value) {
  if (!isGiven(value)) element.removeAttribute(name);
  else if (element.getAttribute(name) !== String(value))
    element.setAttribute(name, value === true ? "" : String(value));
}

const known = new WeakMap();

/**
 * Keeps the children of an element in step with a list: one child an item, known by its key and updated in
 * place; of items with the same key the first counts. What is gone goes first, and only what is out of
 * place is moved: an element that moves loses its focus, and its animations begin anew.
 */
export function keep(parent, items, keyOf, create, update) {
  const before = known.get(parent) ?? new Map();
  const after = new Map();
  for (const item of items) {
    const key = keyOf(item);
    if (after.has(key)) continue;
    const child = before.get(key) ?? create(item);
    update?.(child, item);
    after.set(key, child);
  }
  known.set(parent, after);
  arrange(parent, new Set(after.values()));
}

/** Makes `children` the children of an element, in this order. */
function arrange(parent, children) {
  for (const child of [...parent.children]) if (!children.has(child)) child.remove();
  let place = parent.firstElementChild;
  for (const child of children) {
    // When the next one is wanted here, the one that stands here is out of place, not all that follow it.
    if (child !== place && child === place?.nextElementSibling) {
      place.remove();
      place = child;
    }
    if (child === place) place = place.nextElementSibling;
    else parent.insertBefore(child, place);
  }
}

/** The element of the page that carries an attribute, such as `data-tiles`. */
export const part = (name, within = document) => within.querySelector(`[data-${name}]`);

function isGiven(value) {
  return value !== null && value !== undefined && value !== false;
}
