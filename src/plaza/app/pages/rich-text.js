// What people wrote, with the names of those who are mentioned, and addresses as links. Everything else stays the text that it is.

const TOKEN = /<@(all|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})>|https?:\/\/[^\s<>"]+/giu;
const PUNCTUATION_BEHIND = /[.,:;!?'’”)\]]+$/u;

/** As one line of plain text. `nameOf(userId)` names people. */
export const plainText = (content, nameOf) =>
  content.replace(TOKEN, (token, id) => (id ? `@${mentioned(id, nameOf)}` : token));

/** As the children of `node`; `isMine(id)` tells which mentions are of the reader. */
export function writeText(node, content, { nameOf, isMine }) {
  const children = [];
  let end = 0;
  for (const match of content.matchAll(TOKEN)) {
    const [token, id] = match;
    children.push(content.slice(end, match.index));
    end = match.index + token.length;
    if (id) {
      children.push(mention(id, { nameOf, isMine }));
    } else {
      const address = token.replace(PUNCTUATION_BEHIND, "");
      children.push(link(address), token.slice(address.length));
    }
  }
  children.push(content.slice(end));
  node.replaceChildren(...children.filter((each) => each !== ""));
}

function mention(id, { nameOf, isMine }) {
  const node = document.createElement("span");
  node.className = isMine(id.toLowerCase()) ? "mention of-me" : "mention";
  node.dataset.testid = "mention";
  node.textContent = `@${mentioned(id, nameOf)}`;
  return node;
}

function link(address) {
  const node = document.createElement("a");
  node.href = address;
  node.rel = "noopener noreferrer nofollow ugc";
  node.target = "_blank";
  node.textContent = address;
  return node;
}

const mentioned = (id, nameOf) => (id.toLowerCase() === "all" ? "all" : nameOf(id.toLowerCase()));
