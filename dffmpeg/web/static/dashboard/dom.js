// Elements, made by calls. Whatever comes from the server goes through here, and is text.

const SVG = "http://www.w3.org/2000/svg";

/**
 * Make an element.
 *
 * @param {string} tag
 * @param {object} properties `class`, `text`, `data` (an object), `on` (event name to listener), `hidden` and the
 *   like (booleans), or any attribute. null, undefined and false leave an attribute out.
 * @param {...(Node|string|number|Array|null)} children
 */
export function h(tag, properties = {}, ...children) {
  return built(document.createElement(tag), properties, children);
}

/** The same for what is drawn. */
export function s(tag, properties = {}, ...children) {
  return built(document.createElementNS(SVG, tag), properties, children);
}

function built(node, properties, children) {
  for (const [name, value] of Object.entries(properties)) set(node, name, value);
  node.append(...nodes(children));
  return node;
}

function set(node, name, value) {
  if (name === "on") {
    for (const [event, listener] of Object.entries(value)) node.addEventListener(event, listener);
  } else if (name === "text") node.textContent = value;
  else if (name === "data") Object.assign(node.dataset, value);
  else if (name === "class") attribute(node, "class", value);
  else attribute(node, name, value);
}

function nodes(children) {
  return children
    .flat(Infinity)
    .filter((child) => child !== null && child !== undefined && child !== false && child !== "");
}

/** Set an attribute, or take it away (null, undefined, false); does nothing where it is so already. */
export function attribute(node, name, value) {
  if (value === null || value === undefined || value === false) {
    if (node.hasAttribute(name)) node.removeAttribute(name);
    return;
  }
  const text = value === true ? "" : String(value);
  if (node.getAttribute(name) !== text) node.setAttribute(name, text);
}

/** Set a node's text; a selection in it survives where it is the same. */
export function text(node, value) {
  const wanted = value === null || value === undefined ? "" : String(value);
  if (node.textContent !== wanted) node.textContent = wanted;
}

/** Put children in the place of those that a node has. */
export function fill(node, ...children) {
  node.replaceChildren(...nodes(children));
  return node;
}

/**
 * Keep a container's children in step with a list: each stays the same element for as long as its record is
 * there, so that focus, selection and opened details survive.
 *
 * @param {Element} container holds nothing else.
 * @param {Array} records in the order in which they are shown.
 * @param {function(object): string} key
 * @param {function(object): Element} create makes an element for a record, empty.
 * @param {function(Element, object)} update shows the record in it.
 * @returns {Map<string, Element>}
 */
export function keyed(container, records, key, create, update) {
  const before = new Map(Array.from(container.children, (node) => [node.dataset.key, node]));
  const shown = new Map();
  let place = container.firstElementChild;
  for (const record of records) {
    const name = String(key(record));
    if (shown.has(name)) continue;
    const node = before.get(name) ?? create(record);
    before.delete(name);
    node.dataset.key = name;
    update(node, record);
    if (node === place) place = place.nextElementSibling;
    else container.insertBefore(node, place);
    shown.set(name, node);
  }
  for (const node of before.values()) node.remove();
  return shown;
}
