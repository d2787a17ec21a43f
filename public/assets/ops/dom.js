/**
 * Makes an element. Children that are strings become text, never markup: names, addresses and reasons
 * are strangers' words. Attributes and children that are null, undefined or false are left out.
 */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) if (isGiven(value)) element.setAttribute(name, value === true ? "" : String(value));
  element.append(...children.flat().filter(isGiven));
  return element;
}

/** Sets a text when it is another one: what stays the same keeps its selection, and is not read out again. */
export function tell(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Sets or removes an attribute. */
export function mark(element, name, value) {
  if (!isGiven(value)) element.removeAttribute(name);
  else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value === true ? "" : String(value));
}

const known = new WeakMap();

/**
 * Keeps the children of an element in step with a list: one child an item, known by its key, updated in
 * place and moved only when its place is another.
 */
export function keep(parent, items, keyOf, create, update) {
  const before = known.get(parent) ?? new Map();
  const after = new Map();
  let place = parent.firstElementChild;
  for (const item of items) {
    const key = keyOf(item);
    const child = before.get(key) ?? create(item);
    update?.(child, item);
    after.set(key, child);
    if (child === place) place = place.nextElementSibling;
    else parent.insertBefore(child, place);
  }
  for (const [key, child] of before) if (!after.has(key)) child.remove();
  known.set(parent, after);
}

/** The element of the page that carries an attribute, such as `data-tiles`. */
export const part = (name, within = document) => within.querySelector(`[data-${name}]`);

function isGiven(value) {
  return value !== null && value !== undefined && value !== false;
}
