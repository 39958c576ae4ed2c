// The service itself: whether it can do its work, whether codes are due, who has keys, and what administrators called.
import { json } from "../api.js";
import { changeKey, connection } from "../connection.js";
import { html, useEffect, useState } from "../html.js";
import { key } from "../key.js";
import { Curl } from "../parts/curl.js";
import { Tag } from "../parts/tag.js";
import { useStore } from "../store.js";
import { Advice } from "./service_parts/advice.js";
import { Audit } from "./service_parts/audit.js";
import { Keys } from "./service_parts/keys.js";

const READY = { path: "/readyz" };

/** @type {import("../screens.js").ScreenComponent} */
export default function Service() {
  return html`<div class="service stack">
    <header class="head"><h1>Service</h1></header>
    <${Ready} />
    <${YourKey} />
    <${Advice} />
    <${Keys} />
    <${Audit} />
  </div>`;
}

function Ready() {
  const { generation, state } = useStore(connection);
  const [ready, setReady] = useState(/** @type {any} */ (null));
  useEffect(() => {
    json(READY).then(setReady, (error) => setReady(error.members || null));
  }, [generation, state]);
  const checks = Object.entries(ready?.checks || {});
  return html`<section class="card stack" aria-label="Readiness">
    <h2>${ready?.status === "ready" ? "Ready" : ready ? "Not ready" : "Asking …"}</h2>
    ${checks.length > 0 && html`<dl class="service-checks">
      ${checks.map(([name, result]) => html`<div><dt>${name}</dt><dd>${result === "ok" ? html`<${Tag} tone="good">ok<//>` : html`<${Tag} tone="bad">not ok<//> ${result}`}</dd></div>`)}
      ${Object.entries(ready.notes || {}).map(([name, note]) => html`<div><dt>${name}</dt><dd><${Tag} tone="warn">note<//> ${note}</dd></div>`)}
      ${Object.entries(ready.collections || {}).map(([name, fault]) => html`<div><dt>${name}</dt><dd><${Tag} tone="bad">damaged<//> ${fault}</dd></div>`)}
    </dl>`}
    ${ready && checks.length === 0 && html`<p class="soft">The reasons are told to those who send a key for all collections.</p>`}
    <${Curl} call=${READY} />
  </section>`;
}

const KEY_TEXTS = {
  unknown: "Asking whether a key is needed …",
  "not needed": "This service has no keys: it answers this machine alone, and allows everything.",
  needed: "A key is needed.",
  wrong: "The key that this tab sends is not one of this service.",
  right: "The key that this tab sends is right.",
};

function YourKey() {
  const { state, text } = useStore(key);
  return html`<section class="card row" aria-label="Your key">
    <h2>Your key</h2>
    <p>${KEY_TEXTS[state]}</p>
    ${text && html`<button type="button" onClick=${() => changeKey("")}>Forget it</button>`}
  </section>`;
}
