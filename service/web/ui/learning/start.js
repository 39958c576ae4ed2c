// The form that starts a training: its options, with their ranges, come from the service's own description.
import { Problem, ServiceLost, collectionPath, json } from "../api.js";
import { useCall } from "../calls.js";
import { html, useState } from "../html.js";
import { announce, notify } from "../notices.js";
import { Field } from "../parts/field.js";
import { setParams } from "../router.js";
import { OptionField, readOption } from "./options.js";

const FIRST = ["variant", "epochs", "n_bits", "aim", "noise"];
const OF_PICTURES = ["image_size", "image_color"];
const OWN = ["supervise", "force", "model", "judge"];

/**
 * @param {{collection: string, about: any, running: any, onStarted: () => void}} props `running`: the training that runs
 */
export function Start({ collection, about, running, onStarted }) {
  const [isOpen, setOpen] = useState(false);
  return html`<section class="card learning-start">
    <div class="row">
      <button type="button" class="primary" aria-expanded=${isOpen} disabled=${!about || Boolean(running)} onClick=${() => setOpen(!isOpen)}>
        ${running ? "A training runs" : "Start a training"}
      </button>
      <${Advice} about=${about} running=${running} />
    </div>
    ${isOpen && !running && html`<${Form} collection=${collection} kind=${about?.kind} onStarted=${onStarted} onClose=${() => setOpen(false)} />`}
  </section>`;
}

/** @param {{about: any, running: any}} props */
function Advice({ about, running }) {
  if (running) return html`<p class="hint">One at a time: the next can start when it has ended.</p>`;
  const reasons = about?.retrain_advised || [];
  if (reasons.length === 0) return html`<p class="hint">Nothing asks for one now.</p>`;
  return html`<p class="hint"><b>Advised:</b> ${reasons.join("; ")}</p>`;
}

/** @param {{collection: string, kind: string, onStarted: () => void, onClose: () => void}} props */
function Form({ collection, kind, onStarted, onClose }) {
  const { data } = useCall({ path: "/openapi.json" });
  const [typed, setTyped] = useState(/** @type {Record<string, string>} */ ({}));
  const [errors, setErrors] = useState(/** @type {Record<string, string>} */ ({}));
  const [busy, setBusy] = useState(false);
  if (!data) return html`<p class="hint">Loading …</p>`;
  const options = data.components.schemas.Retrain.properties;
  const set = (/** @type {string} */ name) => (/** @type {string} */ value) => setTyped((before) => ({ ...before, [name]: value }));
  const rest = Object.keys(options).filter(
    (name) => !FIRST.includes(name) && !OWN.includes(name) && (kind === "image" || !OF_PICTURES.includes(name)),
  );
  const field = (/** @type {string} */ name) =>
    html`<${OptionField} key=${name} name=${name} schema=${options[name]} value=${typed[name] || ""} error=${errors[name]} onChange=${set(name)} />`;

  const start = async (/** @type {Event} */ event) => {
    event.preventDefault();
    setBusy(true);
    setErrors({});
    try {
      const job = await json({ path: collectionPath(collection, "retrain"), method: "POST", body: bodyOf(typed, options) });
      announce("The training is asked for");
      setParams({ job: job.id });
      onStarted();
      onClose();
    } catch (error) {
      if (error instanceof Problem) {
        setErrors(byField(error));
        notify(error);
      } else if (!(error instanceof ServiceLost)) throw error;
    } finally {
      setBusy(false);
    }
  };

  return html`<form class="stack" onSubmit=${start}>
    <p class="hint">What is left empty follows from the variant and from the documents.</p>
    <div class="learning-fields">
      ${FIRST.map(field)}
      <${Label} value=${typed.supervise || ""} error=${errors.supervise} onChange=${set("supervise")} />
      <${OptionField} name="judge" schema=${options.judge} value=${typed.judge || ""} error=${errors.judge} onChange=${set("judge")} />
    </div>
    <label class="row learning-check">
      <input type="checkbox" checked=${typed.force === "true"} onChange=${(/** @type {any} */ event) => set("force")(event.target.checked ? "true" : "")} />
      <span>Let it answer even if it is worse <span class="hint">(force)</span></span>
    </label>
    <details>
      <summary>More options</summary>
      <div class="learning-fields">${rest.map(field)}</div>
    </details>
    <div class="row">
      <button type="submit" class="primary" disabled=${busy}>Learn</button>
      <button type="button" class="quiet" onClick=${onClose}>Cancel</button>
    </div>
  </form>`;
}

/** @param {{value: string, error?: string, onChange: (value: string) => void}} props */
function Label({ value, error, onChange }) {
  return html`<${Field} label="Learn a label" hint="A metadata field: documents with the same value are alike." error=${error}>
    ${(/** @type {any} */ attributes) =>
      html`<input ...${attributes} type="text" value=${value} onInput=${(/** @type {any} */ event) => onChange(event.target.value)} />`}
  <//>`;
}

/** @param {Record<string, string>} typed @param {Record<string, any>} options */
function bodyOf(typed, options) {
  const given = Object.entries(typed).filter(([, text]) => text.trim() !== "");
  return Object.fromEntries(
    given.map(([name, text]) => [name, name === "supervise" ? { field: text.trim() } : readOption(options[name], text.trim())]),
  );
}

/** @param {Problem} problem @returns {Record<string, string>} */
function byField(problem) {
  const errors = problem.members.errors || [];
  return Object.fromEntries(errors.map((/** @type {any} */ one) => [String(one.where).replace(/^body\./, "").split(/[.[]/)[0], one.rule]));
}
