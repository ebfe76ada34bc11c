// The supervision tree as it is known here: nodes by their paths. Nothing of it is drawn here.

/** For how long a crash is shown at its actor, milliseconds. */
export const MARKED = 60_000;

/**
 * @typedef {object} Node
 * @property {string} path ids from the root on, with `/` between.
 * @property {string} id
 * @property {string} kind `actor`, `supervisor` or `dynamic_supervisor`.
 * @property {string} state
 * @property {number} restarts
 * @property {?string} crash one line.
 * @property {?number} crashedAt milliseconds since the epoch.
 * @property {number} depth messages that wait, of `capacity`.
 * @property {string[]} children paths of those that are told of.
 * @property {number} total how many there are of them.
 */

export class Tree {
  constructor() {
    this.root = null;
    this.nodes = new Map();
  }

  /** Take a tree as `GET /api/v1/tree` has it. Returns the crashes that were not known before. */
  replace(found) {
    const before = this.nodes;
    this.nodes = new Map();
    this.root = found.id;
    this.#add(found, found.id);
    if (!before.size) return [];
    return [...this.nodes.values()].filter((node) => crashed(before.get(node.path), node));
  }

  #add(found, path) {
    const children = found.children.map((child) => `${path}/${child.id}`);
    this.nodes.set(path, {
      path,
      id: found.id,
      kind: found.kind,
      state: found.state,
      restarts: found.restarts,
      crash: found.last_crash?.text ?? null,
      crashedAt: found.last_crash ? found.last_crash.at * 1000 : null,
      depth: found.mailbox_depth,
      capacity: found.mailbox_capacity,
      children,
      total: children.length + (found.hidden ?? 0),
    });
    found.children.forEach((child, index) => this.#add(child, children[index]));
  }

  /**
   * Take what an event of the kind `tree` has.
   *
   * @returns {{changed: Node[], crashes: Node[], reshaped: boolean, lost: boolean}} `reshaped`: there are nodes more
   *   or less; `lost`: there is one whose parent is not known, so that the tree has to be read anew.
   */
  apply({ nodes }) {
    const result = { changed: [], crashes: [], reshaped: false, lost: false };
    for (const news of nodes) {
      if (news.state === "removed" || news.removed) this.#remove(news.path, result);
      else this.#change(news, result);
    }
    return result;
  }

  #change(news, result) {
    const before = this.nodes.get(news.path);
    const node = {
      path: news.path,
      id: news.path.split("/").at(-1),
      kind: news.kind ?? before?.kind ?? "actor",
      state: news.state,
      restarts: news.restarts,
      crash: news.last_crash ?? null,
      crashedAt: news.crashed_at ? Date.parse(news.crashed_at) : null,
      depth: news.mailbox_depth,
      capacity: news.mailbox_capacity ?? before?.capacity ?? 0,
      children: before?.children ?? [],
      total: news.children ?? before?.total ?? 0,
    };
    if (!before && news.path !== this.root) {
      const parent = this.nodes.get(parentOf(news.path));
      if (!parent) {
        result.lost = true;
        return;
      }
      parent.children = [...parent.children, news.path];
      result.reshaped = true;
    }
    if (crashed(before, node)) result.crashes.push(node);
    this.nodes.set(news.path, node);
    result.changed.push(node);
  }

  #remove(path, result) {
    const node = this.nodes.get(path);
    if (!node) return;
    for (const child of node.children) this.#remove(child, result);
    this.nodes.delete(path);
    const parent = this.nodes.get(parentOf(path));
    if (parent) parent.children = parent.children.filter((child) => child !== path);
    result.reshaped = true;
  }
}

export function parentOf(path) {
  return path.slice(0, path.lastIndexOf("/"));
}

/** The same crash may be told with another precision. */
const SAME = 5;

function crashed(before, node) {
  if (before === undefined || node.crashedAt === null) return false;
  return before.crashedAt === null || node.crashedAt > before.crashedAt + SAME;
}

/** How many there are below a node: `{all, down}`. */
export function countBelow(tree, node) {
  let [all, down] = [Math.max(0, node.total - node.children.length), 0];
  for (const path of node.children) {
    const child = tree.nodes.get(path);
    const below = countBelow(tree, child);
    all += 1 + below.all;
    down += (child.state === "running" ? 0 : 1) + below.down;
  }
  return { all, down };
}
