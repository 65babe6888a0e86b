// Messages that go out later: written now, sent by the server at their time.

import { ask } from "./ask.js";
import { byId, clone, part } from "./dom.js";
import { counted, dayAndTime } from "./format.js";
import { toNames } from "./mentions.js";
import { toast, trying } from "./toast.js";

const HOUR = 3_600_000;
const PROBLEMS = {
  BLOCKED: "could not be sent: one of you has blocked the other",
  NOT_PARTICIPANT: "could not be sent: you were no longer part of the conversation",
  PERMISSION_DENIED: "could not be sent: only those who run the group can write there",
};

/** `conversation()` is the open one, `composer` what is written there. Gives {paint()}. */
export function mountScheduled({ api, store, connection, signal }, { conversation, composer }) {
  const button = byId("scheduled");
  let items = [];

  const here = () => items.filter((each) => each.conversation_id === conversation()?.id);

  function paint() {
    const count = here().length;
    button.hidden = count === 0;
    button.textContent = counted(count, "scheduled message");
  }

  async function read() {
    try {
      ({ items } = await api.scheduled());
    } catch {
      return; // the next `ready` asks again
    }
    paint();
  }

  byId("composer-later").addEventListener("click", () => {
    if (composer.isEmpty) {
      toast("Write the message first, then choose when it goes out.");
      composer.focus();
      return;
    }
    const { id } = conversation();
    ask({
      name: "schedule",
      title: "Send later",
      fields: [{ name: "at", label: "When", type: "datetime-local", value: inputTime(Date.now() + HOUR), min: inputTime(Date.now()) }],
      submit: "Schedule",
      async work({ at }) {
        await api.schedule(id, composer.content(), new Date(at).toISOString());
        composer.clear();
        toast(`Scheduled: ${dayAndTime(at)}.`);
      },
    });
  }, { signal });

  button.addEventListener("click", () => {
    const list = document.createElement("ul");
    list.className = "details";
    list.append(...here().map((each) => row(each)));
    ask({ name: "scheduled-list", title: "Scheduled messages", body: [list], submit: "Close", work: () => true });
  }, { signal });

  function row({ id, content, send_at: sendAt, problem }) {
    const item = clone("scheduled-template");
    const text = toNames(content, store.nameInText);
    part(item, "when").textContent = problem ? PROBLEMS[problem] ?? "could not be sent" : dayAndTime(sendAt);
    part(item, "text").textContent = text;
    part(item, "cancel").setAttribute("aria-label", `Cancel “${text.slice(0, 60)}”`);
    part(item, "cancel").addEventListener("click", () => trying(async () => {
      await api.cancelScheduled(id);
      item.remove();
    }));
    return item;
  }

  store.addEventListener("sync", ({ detail }) => {
    if (detail === "scheduled") read();
  }, { signal });
  connection.addEventListener("ready", read, { signal });
  return { paint };
}

/** As <input type="datetime-local"> wants it: local time, to the minute. */
function inputTime(at) {
  const local = new Date(at - new Date(at).getTimezoneOffset() * 60_000);
  return local.toISOString().slice(0, 16);
}
