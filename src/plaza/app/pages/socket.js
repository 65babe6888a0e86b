// The realtime connection: one socket to /ws that comes back by itself after every loss.

const BACKOFF_FIRST_MS = 500;
const BACKOFF_MOST_MS = 20_000;
/** Only a connection that lasted this long makes the next wait short again. */
const STABLE_AFTER_MS = 5_000;
const READY_WITHIN_MS = 10_000;
const PONG_WITHIN_MS = 8_000;
const ANSWER_WITHIN_MS = 20_000;

const CLOSE = { badTicket: 4001, slowReader: 4008, displaced: 4009, sessionEnded: 4401, notAdmitted: 4403, restart: 1012 };

/** The socket went away before the answer came: whether the frame took effect is unknown. */
export class ConnectionLost extends Error {}

/** The server's `error` frame to a request. */
export class FrameError extends Error {
  constructor({ code, message, retry_after: retryAfter = null }) {
    super(message);
    this.code = code;
    this.retryAfter = retryAfter;
  }
}

/**
 * States: connecting, online, reconnecting, displaced (this window's socket made room for a newer one), stopped.
 * `ticket()` gives a fresh single-use ticket for each attempt. `renew()` takes up the newest session of this browser, for
 * when another window has replaced the one that there was; it throws where there is none. Fires `state`, `ready`, `frame`,
 * `ended` and `unadmitted` (not let in as things are) events.
 */
export class RealtimeConnection extends EventTarget {
  state = "stopped";
  #ticket;
  #renew;
  #socket = null;
  #attempt = 0;
  #failures = 0;
  #readyAt = 0;
  #retryTimer = null;
  #readyTimer = null;
  #pingTimer = null;
  #pongTimer = null;
  #waiting = new Map();
  #lastRef = 0;
  #lifetime = null;

  constructor({ ticket, renew }) {
    super();
    this.#ticket = ticket;
    this.#renew = renew;
  }

  start() {
    this.#lifetime = new AbortController();
    const { signal } = this.#lifetime;
    addEventListener("offline", () => this.#lose(), { signal });
    addEventListener("online", () => this.reconnectNow(), { signal });
    document.addEventListener("visibilitychange", () => this.#wake(), { signal });
    this.#become("connecting");
    this.#connect();
  }

  stop() {
    this.#lifetime?.abort();
    this.#discard();
    this.#become("stopped");
  }

  /** Skips what is left of the wait. */
  reconnectNow() {
    if (this.state === "online" || this.state === "stopped") return;
    if (this.state === "displaced") this.#become("reconnecting");
    if (this.#retryTimer !== null || this.#socket === null) this.#connect();
  }

  /**
   * Sends a frame under a new ref; gives the answer, or throws FrameError or ConnectionLost. What awaits the
   * answer runs before the next frame is seen (each arrives in a task of its own), so order is kept.
   */
  request(frame) {
    if (this.state !== "online") return Promise.reject(new ConnectionLost());
    const ref = String(++this.#lastRef);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#lose(), ANSWER_WITHIN_MS);
      this.#waiting.set(ref, { resolve, reject, timer });
      this.#socket.send(JSON.stringify({ ...frame, ref }));
    });
  }

  /** Says what is not answered, and may be lost. */
  tell(frame) {
    if (this.state === "online") this.#socket.send(JSON.stringify(frame));
  }

  async #connect() {
    clearTimeout(this.#retryTimer);
    this.#retryTimer = null;
    const attempt = ++this.#attempt;
    let ticket;
    try {
      ticket = await this.#ticket();
    } catch (error) {
      if (attempt !== this.#attempt) return;
      if (error.status === 401) this.#end(error.message);
      else this.#retryIn(Math.max(this.#backoff(), (error.retryAfter ?? 0) * 1000));
      return;
    }
    if (attempt !== this.#attempt) return;
    const socket = new WebSocket(`${location.origin.replace(/^http/u, "ws")}/ws?ticket=${encodeURIComponent(ticket)}`);
    this.#socket = socket;
    this.#readyTimer = setTimeout(() => this.#lose(), READY_WITHIN_MS);
    socket.addEventListener("message", ({ data }) => {
      if (socket === this.#socket) this.#receive(JSON.parse(data));
    });
    socket.addEventListener("close", ({ code, reason }) => {
      if (socket === this.#socket) this.#closed(code, reason);
    });
  }

  #receive(frame) {
    clearTimeout(this.#pongTimer); // any frame proves that the line is alive
    this.#pongTimer = null;
    if (frame.type === "ready") {
      this.#ready(frame);
    } else if (this.#waiting.has(frame.ref)) {
      const failed = frame.type === "error";
      this.#settle(frame.ref, (waiting) => (failed ? waiting.reject(new FrameError(frame)) : waiting.resolve(frame)));
    } else {
      this.dispatchEvent(new CustomEvent("frame", { detail: frame }));
    }
  }

  #ready(frame) {
    clearTimeout(this.#readyTimer);
    this.#readyAt = Date.now();
    this.#pingTimer = setInterval(() => this.#ping(), frame.heartbeat_s * 1000);
    this.#become("online");
    this.dispatchEvent(new CustomEvent("ready", { detail: frame }));
  }

  #ping() {
    if (this.state !== "online" || this.#pongTimer !== null) return;
    this.#pongTimer = setTimeout(() => this.#lose(), PONG_WITHIN_MS);
    this.#socket.send(JSON.stringify({ type: "ping", ref: String(++this.#lastRef) }));
  }

  /** A window that comes back to the front may have slept: ask at once instead of at the next heartbeat. */
  #wake() {
    if (document.visibilityState !== "visible") return;
    if (this.state === "online") this.#ping();
    else if (this.state !== "displaced") this.reconnectNow();
  }

  /** Gives the socket up without waiting for a closing handshake that a dead line would never finish. */
  #lose() {
    if (this.#socket !== null) this.#closed(1006, "");
  }

  #closed(code, reason) {
    if (this.state === "online" && Date.now() - this.#readyAt > STABLE_AFTER_MS) this.#failures = 0;
    const early = this.#failures === 0;
    this.#discard();
    if (code === CLOSE.sessionEnded) {
      this.#goOn();
    } else if (code === CLOSE.displaced) {
      this.#become("displaced");
    } else if (code === CLOSE.notAdmitted) { // whoever is on the waitlist, however often they ask
      this.stop();
      this.dispatchEvent(new Event("unadmitted"));
    } else {
      let delay = this.#backoff();
      if (code === CLOSE.restart) delay = announcedDelay(reason) ?? delay;
      else if (early && (code === CLOSE.badTicket || code === CLOSE.slowReader)) delay = 0;
      this.#retryIn(delay);
    }
  }

  async #goOn() {
    this.#become("reconnecting");
    const attempt = this.#attempt;
    try {
      await this.#renew();
    } catch (error) {
      if (attempt !== this.#attempt) return;
      if (error.status === 401) this.#end(error.message);
      else this.#retryIn(this.#backoff());
      return;
    }
    if (attempt === this.#attempt) this.#connect();
  }

  #discard() {
    const socket = this.#socket;
    this.#socket = null;
    this.#attempt += 1;
    for (const timer of [this.#retryTimer, this.#readyTimer, this.#pongTimer]) clearTimeout(timer);
    clearInterval(this.#pingTimer);
    this.#retryTimer = this.#pongTimer = null;
    if (socket?.readyState === WebSocket.CONNECTING) {
      socket.addEventListener("open", () => socket.close()); // browsers warn of one that is closed before
    } else {
      socket?.close();
    }
    for (const ref of [...this.#waiting.keys()]) {
      this.#settle(ref, (waiting) => waiting.reject(new ConnectionLost()));
    }
  }

  #retryIn(delay) {
    this.#become("reconnecting");
    this.#retryTimer = setTimeout(() => this.#connect(), delay);
  }

  /** Doubling, with half of it random, so that many clients do not come back in the same moment. */
  #backoff() {
    const ceiling = Math.min(BACKOFF_MOST_MS, BACKOFF_FIRST_MS * 2 ** this.#failures);
    this.#failures += 1;
    return ceiling * (0.5 + Math.random() / 2);
  }

  #settle(ref, how) {
    const waiting = this.#waiting.get(ref);
    if (waiting === undefined) return;
    this.#waiting.delete(ref);
    clearTimeout(waiting.timer);
    how(waiting);
  }

  #end(message) {
    this.stop();
    this.dispatchEvent(new CustomEvent("ended", { detail: message }));
  }

  #become(state) {
    if (this.state === state) return;
    this.state = state;
    this.dispatchEvent(new Event("state"));
  }
}

/** The server spreads its clients over its restart itself: `retry_ms=<n>`. */
function announcedDelay(reason) {
  const match = /retry_ms=(\d+)/u.exec(reason);
  return match ? Number(match[1]) : null;
}
