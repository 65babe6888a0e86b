// A short word about what was done or did not work, which goes away by itself.

import { byId } from "./dom.js";

const STAYS_MS = 6_000;
let timer = null;

export function toast(text) {
  const node = byId("toast");
  clearTimeout(timer);
  node.textContent = text;
  node.classList.add("shown");
  timer = setTimeout(() => node.classList.remove("shown"), STAYS_MS);
}

/** `work()`, with its failure told. Gives null where it failed. */
export async function trying(work) {
  try {
    return await work();
  } catch (error) {
    toast(error.message || "Something went wrong. Please try again.");
    return null;
  }
}
