// The picker of a reaction: the usual ones at a click, any other by typing it.

import { byId } from "./dom.js";
import { showAt, walkable } from "./menu.js";

const COMMON = {
  "👍": "thumbs up", "❤️": "heart", "😂": "tears of joy", "🎉": "party", "😮": "surprised", "😢": "sad",
  "🙏": "thanks", "👏": "applause", "🔥": "fire", "✅": "done", "👀": "looking", "🚀": "rocket",
  "💯": "hundred", "🤔": "thinking", "😍": "in love", "😅": "relieved", "🙌": "hooray", "💡": "idea",
  "👎": "thumbs down", "➕": "plus one", "☕": "coffee", "🌹": "rose", "⏳": "in a while", "❓": "question",
};
const EMOJI = /^(?=.*(?:\p{Extended_Pictographic}|\p{Regional_Indicator}|\u{20E3}))\S{1,16}$/u;

let picked = () => {};

export function mountEmojiPicker(signal) {
  const picker = byId("emoji-picker");
  const form = byId("emoji-form");
  const input = byId("emoji-input");
  byId("emoji-grid").replaceChildren(...Object.entries(COMMON).map(([emoji, name]) => {
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: emoji, title: name });
    button.setAttribute("aria-label", name);
    button.dataset.testid = "emoji";
    button.addEventListener("click", () => take(emoji));
    return button;
  }));
  walkable(picker, signal);

  function take(emoji) {
    picker.hidePopover();
    picked(emoji);
  }

  input.addEventListener("input", () => {
    byId("emoji-problem").hidden = true;
  }, { signal });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const emoji = input.value.trim();
    if (EMOJI.test(emoji)) take(emoji);
    else byId("emoji-problem").hidden = false;
  }, { signal });
}

/** Calls `onPick(emoji)` if one is chosen. */
export function pickEmoji(anchor, onPick) {
  picked = onPick;
  byId("emoji-input").value = "";
  byId("emoji-problem").hidden = true;
  showAt(byId("emoji-picker"), anchor);
  byId("emoji-grid").querySelector("button").focus();
}
