/** @typedef {string | number | boolean | null | undefined} Value  Of an attribute: true is an empty one, false none. */

/**
 * Makes an element. Children that are strings become text, never markup: names, addresses and reasons come from
 * strangers. Attributes and children that are null, undefined or false are left out.
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Record<string, Value>} [attributes]
 * @param {...(Node | string | null | undefined | false)} children
 */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) mark(element, name, value);
  element.append(...children.filter(isGiven));
  return element;
}

/** Whether the operator is logged in, as far as the page knows. */
export function isInside() {
  return document.body.dataset.session === "open";
}

/**
 * Sets a text when it is another one: what stays the same keeps its selection, and is not read out again.
 * @param {Element} element
 * @param {string} text
 */
export function tell(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Sets or removes an attribute.
 * @param {Element} element
 * @param {string} name
 * @param {Value} value
 */
export function mark(element, name, value) {
  const text = value === true ? "" : String(value);
  if (!isGiven(value)) element.removeAttribute(name);
  else if (element.getAttribute(name) !== text) element.setAttribute(name, text);
}

/**
 * The text in a field of a form, without blanks around it.
 * @param {HTMLFormElement} form
 * @param {string} name
 */
export function fieldOf(form, name) {
  const value = new FormData(form).get(name);
  return typeof value === "string" ? value.trim() : "";
}

/**
 * Makes the children of an element from a list, as often as the list is shown: one child an item, known by its
 * key and updated in place; of items with the same key the first counts. What is gone is removed first, and
 * only what is out of place is moved: an element that moves loses its focus, and its animations begin again.
 * @template Item
 * @template {Element} Child
 * @param {Element} parent
 * @param {(item: Item) => unknown} keyOf
 * @param {(item: Item) => Child} create
 * @returns {(items: Iterable<Item>, update?: (child: Child, item: Item) => void) => void}  Shows a list.
 */
export function listIn(parent, keyOf, create) {
  /** @type {Map<unknown, Child>} */
  let before = new Map();
  return (items, update) => {
    /** @type {Map<unknown, Child>} */
    const after = new Map();
    for (const item of items) {
      const key = keyOf(item);
      if (after.has(key)) continue;
      const child = before.get(key) ?? create(item);
      update?.(child, item);
      after.set(key, child);
    }
    before = after;
    arrange(parent, new Set(after.values()));
  };
}

/**
 * Makes `children` the children of an element, in this order.
 * @param {Element} parent
 * @param {ReadonlySet<Element>} children
 */
function arrange(parent, children) {
  for (const child of [...parent.children]) if (!children.has(child)) child.remove();
  let place = parent.firstElementChild;
  for (const child of children) {
    // When the next element is wanted here, only the one that stands here is out of place.
    if (place && child !== place && child === place.nextElementSibling) {
      place.remove();
      place = child;
    }
    if (child === place) place = place.nextElementSibling;
    else parent.insertBefore(child, place);
  }
}

/**
 * @template T
 * @param {T} value
 * @returns {value is Exclude<T, null | undefined | false>}
 */
function isGiven(value) {
  return value !== null && value !== undefined && value !== false;
}
