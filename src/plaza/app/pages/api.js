// The REST client: the session's tokens, their refresh, and problem documents as errors with friendly text.

const AUTH = "/api/v1/auth";
const CHAT = "/api/v1/chat";
/** A token is renewed this long before its end, so that a slow request does not meet its expiry. */
const RENEW_BEFORE_MS = 30_000;

/** A refused or failed request. `message` is fit to be shown, `problem` the whole document; status 0 means that no answer came. */
export class ApiError extends Error {
  constructor({ status, code, message, errors = {}, retryAfter = null, problem = {} }) {
    super(message);
    this.status = status;
    this.code = code;
    this.errors = errors;
    this.retryAfter = retryAfter;
    this.problem = problem;
  }
}

/** The person is no longer logged in (or somebody else now is, in another window of this browser). */
export class SessionEnded extends ApiError {
  constructor(message) {
    super({ status: 401, code: "UNAUTHENTICATED", message });
  }
}

/** Only the own profile is open to them. */
export const isWaiting = (user) => user.status === "waitlisted";

/**
 * The access token is kept in memory only. The refresh token lives in the HttpOnly cookie, which all windows of
 * the browser share; with `separate` it is held in memory instead and no cookie is sent or taken, so that one
 * window can be another person. Fires `ended` (detail: the reason to show) when a session that was open is over, and
 * `waitlisted` when the person turns out to be on the waitlist.
 */
export class Api extends EventTarget {
  user = null;
  #accessToken = null;
  #expiresAt = 0;
  #refreshToken = null;
  #refreshing = null;
  #ahead = 0;
  #turn = Promise.resolve();
  #separate;

  constructor({ separate = false } = {}) {
    super();
    this.#separate = separate;
  }

  /** Logs in again after a reload; null where nobody was logged in. */
  async restore() {
    if (this.#separate) return null;
    try {
      await this.#refresh();
      return this.user;
    } catch (error) {
      if (error instanceof SessionEnded) return null;
      throw error;
    }
  }

  /**
   * A way in: the name of a route that answers with a token pair, or refuses with MFA_REQUIRED. The session that this
   * window has ends with it, unless it is entered `asStranger`; other windows that hear of that wait for the new one.
   */
  async enter(route, body, { asStranger = false } = {}) {
    const token = asStranger ? null : this.#accessToken;
    return this.#keep(await this.#exclusive(() => this.#tokenRoute(route, body, token)));
  }

  /** Goes on with the newest session of this browser: another window may have made it. */
  renew = () => this.#refresh();

  /** A route of `/api/v1/auth` that needs nobody to be signed in. */
  ask = (route, body) => this.#send("POST", `${AUTH}/${route}`, body);

  /** A route of `/api/v1/auth` as the person who is signed in. */
  mine = (method, route, body) => this.#authorized(method, `${AUTH}/${route}`, body);

  /** Ends the session on the server; locally it is over in any case. */
  async logout() {
    try {
      await this.#authorized("POST", `${AUTH}/logout`, this.#refreshToken ? { refresh_token: this.#refreshToken } : {});
    } finally {
      this.forget();
    }
  }

  forget() {
    this.user = null;
    this.#accessToken = null;
    this.#refreshToken = null;
    this.#expiresAt = 0;
  }

  /** Demo people {people: [{email, display_name}], password}; null outside of development. */
  async demo() {
    try {
      return await this.#send("GET", "/dev/demo");
    } catch {
      return null;
    }
  }

  /** Outside accounts that can be logged in with: [{name, title}]. */
  async providers() {
    try {
      return (await this.#send("GET", `${AUTH}/oauth/providers`)).items;
    } catch {
      return []; // the other ways in are still there
    }
  }

  /** The server's time in milliseconds, to a second or so, however wrong the clock of this device is. */
  now = () => Date.now() + this.#ahead;

  async socketTicket() {
    return (await this.#authorized("POST", `${AUTH}/ws-ticket`, {})).ticket;
  }

  lookup = (text) => this.#authorized("POST", `${AUTH}/users/lookup`, text.includes("@") ? { email: text } : { username: text });

  /** A route of `/api/v1/chat`. */
  chat = (method, route, body) => this.#authorized(method, `${CHAT}/${route}`, body);

  async #authorized(method, path, body) {
    if (this.#accessToken === null || Date.now() > this.#expiresAt - RENEW_BEFORE_MS) await this.#refresh();
    const used = this.#accessToken;
    try {
      return await this.#send(method, path, body, used);
    } catch (error) {
      if (error.code !== "UNAUTHENTICATED" && error.code !== "TOKEN_STALE") throw error; // a wrong password is a 401, too
      if (this.#accessToken === used) await this.#refresh();
      return this.#send(method, path, body, this.#accessToken);
    }
  }

  /** One change of the session at a time in this window, and among all windows where the browser has locks. */
  #refresh() {
    this.#refreshing ??= this.#exclusive(() => this.#rotate()).finally(() => {
      this.#refreshing = null;
    });
    return this.#refreshing;
  }

  #exclusive(work) {
    if (!this.#separate && navigator.locks) return navigator.locks.request("plaza-session", work);
    const turn = this.#turn.then(work);
    this.#turn = turn.catch(() => {});
    return turn;
  }

  async #rotate() {
    let pair;
    try {
      pair = await this.#tokenRoute("token/refresh", this.#refreshToken ? { refresh_token: this.#refreshToken } : {});
    } catch (error) {
      if (error.status === 401 || error.status === 403) throw this.#ended("Your session ended. Please log in again.");
      throw error;
    }
    if (this.user !== null && pair.user.id !== this.user.id) {
      throw this.#ended("Somebody else logged in in another window of this browser.");
    }
    this.#keep(pair);
  }

  #ended(message) {
    if (this.user !== null) this.dispatchEvent(new CustomEvent("ended", { detail: message }));
    return new SessionEnded(message);
  }

  #tokenRoute(name, body, accessToken = null) {
    return this.#send("POST", `${AUTH}/${name}${this.#separate ? "" : "?cookie=true"}`, body, accessToken);
  }

  #keep(pair) {
    this.user = pair.user;
    this.#accessToken = pair.access_token;
    this.#refreshToken = this.#separate ? pair.refresh_token : null;
    this.#expiresAt = Date.now() + pair.expires_in * 1000;
    return this.user;
  }

  async #send(method, path, body, accessToken = null) {
    const headers = { Accept: "application/json" };
    if (body !== undefined) headers["Content-Type"] = "application/json";
    if (accessToken) headers.Authorization = `Bearer ${accessToken}`;
    let response;
    try {
      response = await fetch(path, {
        method,
        headers,
        body: body === undefined ? undefined : JSON.stringify(body),
        credentials: this.#separate ? "omit" : "same-origin",
        cache: "no-store",
      });
    } catch {
      throw new ApiError({
        status: 0,
        code: "UNREACHABLE",
        message: "Plaza cannot be reached. Check your connection and try again.",
      });
    }
    this.#ahead = (Date.parse(response.headers.get("Date")) || Date.now()) - Date.now();
    const answer = await response.json().catch(() => null);
    if (response.ok) return answer;
    if (answer?.code === "WAITLISTED") this.dispatchEvent(new Event("waitlisted"));
    throw new ApiError({
      status: response.status,
      code: answer?.code ?? "UNKNOWN",
      message: answer?.detail ?? answer?.title ?? "Something went wrong. Please try again.",
      errors: answer?.errors,
      retryAfter: Number(response.headers.get("Retry-After")) || null,
      problem: answer ?? {},
    });
  }
}
