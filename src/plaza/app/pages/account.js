// The account page: restores the session, then hands each section its part. Who is not logged in sees the ways in first.

import { mountContacts } from "./account-contacts.js";
import { mountPrivacy } from "./account-privacy.js";
import { mountProfile } from "./account-profile.js";
import { mountSecurity } from "./account-security.js";
import { mountSessions } from "./account-sessions.js";
import { Api } from "./api.js";
import { mountAuth, PROVIDER_REFUSALS, takeLink } from "./auth.js";
import { announce, byId, paintAvatar } from "./dom.js";
import { Guard } from "./guard.js";

const api = new Api();
const demoPeople = api.demo();
const providers = api.providers();
let auth = null;
let mounted = false;

function showScreen(name) {
  for (const screen of ["start", "auth", "account"]) byId(`screen-${screen}`).hidden = screen !== name;
}

async function start() {
  const link = takeLink();
  const isWayIn = link !== null && !["linked", "error"].includes(link.kind);
  const user = isWayIn ? null : await api.restore().catch(() => null);
  auth = mountAuth({ api, demo: await demoPeople, providers: await providers, onLogin: enter });
  if (user !== null) {
    enter(user);
    if (link?.kind === "linked") notice("The account is connected.");
    if (link?.kind === "error") notice(PROVIDER_REFUSALS[link.token] ?? "Connecting it did not work. Please try again.");
    return;
  }
  showScreen("auth");
  await (link === null ? auth.open() : auth.follow(link));
}

/** Who has just logged in on this page may be somebody else than before: everything is read anew. */
async function enter(user) {
  show(user);
  showScreen("account");
  if (mounted) {
    location.reload();
    return;
  }
  mounted = true;
  const guard = new Guard(api);
  const page = { api, guard, notice, show };
  for (const mount of [mountProfile, mountContacts, mountSecurity, mountSessions, mountPrivacy]) {
    mount(page, await providers);
  }
  byId("logout").addEventListener("click", async () => {
    await api.logout().catch(() => {}); // out of reach or over already: it ends here in any case
    leave("You are logged out.");
  });
  api.addEventListener("ended", ({ detail }) => leave(detail));
}

function leave(reason) {
  api.forget();
  showScreen("auth");
  auth.open(reason);
}

/** What the header says of the person. */
function show(user) {
  const name = user.display_name || user.username || user.email || user.phone;
  paintAvatar(byId("me-avatar"), { name });
  byId("me-name").textContent = name;
  byId("me-contact").textContent = [user.email, user.phone].filter(Boolean).join(" · ");
}

function notice(text) {
  byId("account-notice").textContent = text;
  byId("account-notice").hidden = false;
  announce(text);
  byId("account-notice").scrollIntoView({ block: "nearest" });
}

start();
