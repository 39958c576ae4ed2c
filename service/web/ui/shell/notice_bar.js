// What must be seen first: a service that does not answer, a key that is missing, problems and good news.
import { changeKey, connection, lookNow } from "../connection.js";
import { html, useEffect, useState } from "../html.js";
import { key } from "../key.js";
import { notices, putAway } from "../notices.js";
import { useStore } from "../store.js";

export function NoticeBar() {
  const { items } = useStore(notices);
  return html`<div class="notices">
    <${ServiceNotice} />
    <${KeyNotice} />
    ${items.map((notice) => html`<${NoticeLine} key=${notice.id} notice=${notice} />`)}
  </div>`;
}

/** @param {{notice: import("../notices.js").Notice}} props */
function NoticeLine({ notice }) {
  return html`<div class=${`notice notice-${notice.kind}`} role=${notice.kind === "bad" ? "alert" : "status"}>
    <p><strong>${notice.title}</strong>${notice.detail && html`<span>${notice.detail}</span>`}</p>
    <button class="quiet" type="button" onClick=${() => putAway(notice.id)}>Close</button>
  </div>`;
}

function ServiceNotice() {
  const { state, reason, retryAt } = useStore(connection);
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    if (state === "ok") return undefined;
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), 500);
    return () => clearInterval(timer);
  }, [state, retryAt]);
  if (state === "ok") return null;
  const seconds = Math.ceil(Math.max(0, retryAt - now) / 1_000);
  return html`<div class="notice notice-bad">
    <p>
      <strong role="alert">${state === "lost" ? "The service does not answer." : "The service is not ready."}</strong>
      <span>${reason} ${seconds > 0 ? `Asking again in ${seconds} s.` : "Asking again …"}</span>
    </p>
    <button type="button" onClick=${lookNow}>Ask now</button>
  </div>`;
}

function KeyNotice() {
  const { state } = useStore(key);
  if (state !== "needed" && state !== "wrong") return null;
  return html`<div class=${`notice notice-${state === "wrong" ? "bad" : "ask"}`}><${KeyForm} /></div>`;
}

/** A form for the key; it says whether one is needed, and whether the one given is right. */
export function KeyForm() {
  const { state } = useStore(key);
  const [text, setText] = useState("");
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    void changeKey(text.trim());
  };
  return html`<form class="key-form" onSubmit=${submit}>
    <label>
      <strong role=${state === "wrong" ? "alert" : undefined}
        >${state === "wrong" ? "That key is not one of this service." : "This service asks for a key."}</strong
      >
      <input
        type="password"
        name="key"
        autocomplete="off"
        spellcheck="false"
        value=${text}
        placeholder="Key"
        onInput=${(/** @type {any} */ event) => setText(event.target.value)}
      />
    </label>
    <button class="primary" type="submit" disabled=${!text.trim()}>Use key</button>
    <p class="hint">It stays in this tab, and is forgotten when the tab is closed.</p>
  </form>`;
}
