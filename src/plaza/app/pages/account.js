// The account page: restores the session, then hands each section its part. Who is not logged in sees the ways in first.

import { mountContacts } from "./account-contacts.js";
import { mountData } from "./account-data.js";
import { mountPrivacy, mountProfile } from "./account-profile.js";
import { mountSecurity } from "./account-security.js";
import { mountKeys, mountSessions } from "./account-sessions.js";
import { Api, isWaiting } from "./api.js";
import { mountAuth, PROVIDER_REFUSALS, takeLink } from "./auth.js";
import { announce, byId, paintAvatar } from "./dom.js";
import { Guard } from "./guard.js";
import { mountNews } from "./news.js";
import { RealtimeConnection } from "./socket.js";

const api = new Api();
const demoPeople = api.demo();
const providers = api.providers();
let auth = null;
let guard = null;
let page = null;
let listening = null; // what ends it

function showScreen(name) {
  for (const screen of ["start", "auth", "account"]) byId(`screen-${screen}`).hidden = screen !== name;
}

async function start() {
  const link = takeLink();
  const isReturning = Guard.isReturning();
  const isWayIn = link !== null && !["linked", "error", ...(isReturning ? ["code"] : [])].includes(link.kind);
  let problem = "";
  const user = isWayIn ? null : await api.restore().catch((error) => {
    problem = error.message;
    return null;
  });
  guard = new Guard(api, await providers);
  auth = mountAuth({ api, demo: await demoPeople, providers: await providers, onLogin: enter });
  if (user === null) {
    showScreen("auth");
    await (link === null ? auth.open(problem) : auth.follow(link));
    return;
  }
  // Before the page asks for anything: the session of the moment ends with it.
  const news = link?.kind === "code" ? await guard.comeBack(link.token) : newsOf(link);
  enter(api.user);
  if (news !== null) notice(news);
}

/** What there is to say of the way that somebody who is logged in came here. */
function newsOf(link) {
  if (link?.kind === "linked") return "The account is connected.";
  if (link?.kind === "error") return PROVIDER_REFUSALS[link.token] ?? "This did not work there. Please try again.";
  return null;
}

/** Who has just logged in on this page may be somebody else than before: everything is read anew. */
function enter(user) {
  if (page !== null) {
    location.reload();
    return;
  }
  page = { api, guard, notice, show };
  show(user);
  showScreen("account");
  for (const mount of [mountProfile, mountPrivacy]) mount(page);
  api.addEventListener("waitlisted", () => showWait(true));
  byId("logout").addEventListener("click", async () => {
    stopListening(); // or the end of the session, which the socket hears of first, would look like somebody else's doing
    await api.logout().catch(() => {}); // out of reach or over already: it ends here in any case
    leave("You are logged out.");
  });
  api.addEventListener("ended", ({ detail }) => leave(detail));
}

/** To what happens to the account meanwhile, its session's end included. Gives what ends that. */
function listen() {
  const lifetime = new AbortController();
  const connection = new RealtimeConnection({ ticket: () => api.socketTicket(), renew: () => api.renew() });
  mountNews({ connection, signal: lifetime.signal });
  connection.addEventListener("unadmitted", () => showWait(true));
  connection.start();
  return () => {
    lifetime.abort();
    connection.stop();
  };
}

function stopListening() {
  listening?.();
  listening = null;
}

function leave(reason) {
  stopListening();
  api.forget();
  showScreen("auth");
  auth.open(reason);
}

/** What the header says of the person, and whether they wait. */
function show(user) {
  showWait(isWaiting(user));
  const name = user.display_name || user.username || user.email || user.phone;
  paintAvatar(byId("me-avatar"), { name });
  byId("me-name").textContent = name;
  byId("me-contact").textContent = [user.email, user.phone].filter(Boolean).join(" · ");
}

/** Who waits has nothing but their profile, and is told nothing. The rest is mounted when it is shown first. */
async function showWait(waits) {
  byId("waiting").hidden = !waits;
  byId("account-rest").hidden = waits;
  if (waits) {
    stopListening();
    return;
  }
  listening ??= listen();
  if (page.sessionsChanged !== undefined) return;
  page.sessionsChanged = mountSessions(page);
  for (const mount of [mountContacts, mountSecurity, mountKeys, mountData]) mount(page, await providers);
}

function notice(text) {
  byId("account-notice").textContent = text;
  byId("account-notice").hidden = false;
  announce(text);
  byId("account-notice").scrollIntoView({ block: "nearest" });
}

start();
