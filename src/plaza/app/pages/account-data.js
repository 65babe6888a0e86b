// The person's data: taking it along, taking a break, leaving for good.

import { ask } from "./ask.js";
import { attempt } from "./account-rows.js";
import { byId } from "./dom.js";

const POLL_MS = 1_500;
const PROGRESS = { queued: "Waiting its turn…", running: "Being made…", failed: "This did not work. Please try again." };

export function mountData({ api, guard, notice }) {
  byId("export-start").addEventListener("click", attempt(notice, async () => {
    let made = await guard.pass(() => api.mine("POST", "exports", {}));
    byId("export-link").hidden = true;
    while (made.status === "queued" || made.status === "running") {
      byId("export-state").textContent = PROGRESS[made.status];
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      made = await api.mine("GET", `exports/${made.id}`);
    }
    if (made.status !== "done") throw new Error(made.problem?.detail ?? PROGRESS.failed);
    byId("export-state").textContent = "Ready. The link works for a while, for you only.";
    byId("export-link").href = made.url;
    byId("export-link").hidden = false;
  }));

  byId("deactivate").addEventListener("click", attempt(notice, async () => {
    const gone = await ask({
      title: "Take a break?",
      text: "You are logged out everywhere, and nobody can log in until staff opens the account again.",
      fields: [{ name: "reason", label: "Would you tell us why?", required: false, maxlength: 500 }],
      submit: "Deactivate",
      danger: true,
      work: async ({ reason }) => {
        await guard.pass(() => api.mine("POST", "deactivate", { reason }));
        return true;
      },
    });
    if (gone) over();
  }));

  byId("delete").addEventListener("click", attempt(notice, async () => {
    const gone = await ask({
      title: "Delete your account?",
      text: "This cannot be taken back. Type DELETE to confirm.",
      fields: [{ name: "word", label: "DELETE", pattern: "DELETE", autocomplete: "off", autocapitalize: "characters" }],
      submit: "Delete for good",
      danger: true,
      work: async () => {
        await guard.pass(() => api.mine("DELETE", "user"));
        return true;
      },
    });
    if (gone) over();
  }));

  function over() {
    api.forget();
    location.assign("/");
  }
}
