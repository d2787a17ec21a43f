/**
 * The element of a kind, such as HTMLInputElement, that a selector names. Throws when there is none.
 * @template {Element} E
 * @param {new () => E} kind
 * @param {string} selector
 * @param {ParentNode} [within]
 */
export function find(kind, selector, within = document) {
  const element = within.querySelector(selector);
  if (element instanceof kind) return element;
  throw new Error(`no ${kind.name} ${selector}`);
}

/**
 * All elements of a kind that a selector names.
 * @template {Element} E
 * @param {new () => E} kind
 * @param {string} selector
 * @param {ParentNode} [within]
 */
export function findAll(kind, selector, within = document) {
  return [...within.querySelectorAll(selector)].filter(
    /** @returns {element is E} */ (element) => element instanceof kind,
  );
}

/**
 * The element that carries an attribute, such as `data-tiles`.
 * @param {string} name
 * @param {ParentNode} [within]
 */
export function part(name, within) {
  return find(HTMLElement, `[data-${name}]`, within);
}

/**
 * Where an event happened: the innermost element that a selector names.
 * @param {Event} event
 * @param {string} selector
 */
export function closest({ target }, selector) {
  const element = target instanceof Element ? target.closest(selector) : null;
  return element instanceof HTMLElement ? element : null;
}
