// What of a collection can change: how words are found, what new codes are judged by, and when they are made.
import { collectionPath } from "../../api.js";
import { useAction } from "../../calls.js";
import { html, useState } from "../../html.js";
import { Curl } from "../../parts/curl.js";
import { Dialog } from "../../parts/dialog.js";
import { Field } from "../../parts/field.js";

/** @type {[string, string][]} */
const JUDGES = [["aim", "what a training is for"], ["neighbors", "the true nearest"], ["topics", "documents of the same topic"], ["both", "both of these"], ["pairs", "pairs that people named"]];
/** @type {[string, string][]} */
const RETRAINS = [["off", "only when asked"], ["advise", "when asked, with a warning in the log when it is advised"], ["drift", "by itself, when it is advised"]];

/** @param {{about: import("../../types.js").CollectionDetail, onClose: () => void, onDone: () => void}} props */
export function Settings({ about, onClose, onDone }) {
  const [wanted, setWanted] = useState(() => wantedOf(about));
  const [act, isActing] = useAction();
  const body = changesOf(about, wanted);
  const call = { path: collectionPath(about.name), method: "PATCH", body };
  const isChanged = Object.keys(body).length > 0;
  const set = (/** @type {string} */ name) => (/** @type {any} */ event) => setWanted({ ...wanted, [name]: event.target.value });
  const save = async (/** @type {Event} */ event) => {
    event.preventDefault();
    if (!(await act(call, "Saved"))) return;
    onDone();
    onClose();
  };
  return html`<${Dialog} title=${`Settings of ${about.name}`} isWide onClose=${onClose}>
    <form class="stack" onSubmit=${save}>
      ${about.kind !== "image" && html`<div class="settings-columns">
        <${Field} label="Language" hint=${`Of stems and stop words: a code such as en, none, or auto. Now: ${about.words.analyzed_as}.`}>
          ${(/** @type {object} */ a) => html`<input ...${a} value=${wanted.language} onInput=${set("language")} />`}
        <//>
        <${Field} label="Weight of titles" hint="How many times a word in the title counts.">
          ${(/** @type {object} */ a) => html`<input ...${a} type="number" min="0" max="100" step="any" value=${wanted.title_weight} onInput=${set("title_weight")} />`}
        <//>
        <${Field} label="k1 of BM25" hint="How soon more occurrences of a word count no more.">
          ${(/** @type {object} */ a) => html`<input ...${a} type="number" min="0" max="100" step="any" value=${wanted.k1} onInput=${set("k1")} />`}
        <//>
        <${Field} label="b of BM25" hint="How much the length of a document counts, 0 to 1.">
          ${(/** @type {object} */ a) => html`<input ...${a} type="number" min="0" max="1" step="any" value=${wanted.b} onInput=${set("b")} />`}
        <//>
      </div>
      <${Field} label="Synonyms" hint="A group in each line, with commas between the words: k8s, kubernetes">
        ${(/** @type {object} */ a) => html`<textarea ...${a} rows="3" value=${wanted.synonyms} onInput=${set("synonyms")}></textarea>`}
      <//>`}
      <div class="settings-columns">
        <${Select} label="New codes are judged by" options=${withPresent(JUDGES, wanted.judge)} value=${wanted.judge} onChange=${set("judge")} />
        <${Select} label="New codes are learned" options=${withPresent(RETRAINS, wanted.auto_retrain)} value=${wanted.auto_retrain} onChange=${set("auto_retrain")} />
        <${Field} label="Kept queries" hint="How many of the last text queries are kept to preview promotions with, up to 1,000.">
          ${(/** @type {object} */ a) => html`<input ...${a} type="number" min="0" max="1000" value=${wanted.keep_queries} onInput=${set("keep_queries")} />`}
        <//>
      </div>
      <${Curl} call=${isChanged ? call : null} />
      <div class="dialog-end">
        <button type="button" onClick=${onClose}>Leave as they are</button>
        <button type="submit" class="primary" disabled=${isActing || !isChanged}>Save</button>
      </div>
    </form>
  <//>`;
}

/** @param {{label: string, options: [string, string][], value: string, onChange: (event: any) => void}} props */
function Select({ label, options, value, onChange }) {
  return html`<${Field} label=${label}>
    ${(/** @type {object} */ a) => html`<select ...${a} value=${value} onChange=${onChange}>
      ${options.map(([one, title]) => html`<option value=${one} selected=${one === value}>${title}</option>`)}
    </select>`}
  <//>`;
}

/** The options, with the present one if it is another, as `label:group`. @param {[string, string][]} options @param {string} value @returns {[string, string][]} */
function withPresent(options, value) {
  return options.some(([one]) => one === value) ? options : [...options, [value, `as it is: ${value}`]];
}

/** The settings as the form has them: texts all. @param {import("../../types.js").CollectionDetail} about @returns {Record<string, string>} */
function wantedOf({ words, judge, auto_retrain, keep_queries }) {
  return {
    language: words.language,
    title_weight: String(words.title_weight),
    k1: String(words.k1),
    b: String(words.b),
    synonyms: words.synonyms.map((/** @type {string[]} */ group) => group.join(", ")).join("\n"),
    judge,
    auto_retrain: typeof auto_retrain === "string" ? auto_retrain : JSON.stringify(auto_retrain),
    keep_queries: String(keep_queries),
  };
}

/** What differs from what is set, as the service takes it. @param {import("../../types.js").CollectionDetail} about @param {Record<string, string>} wanted */
function changesOf(about, wanted) {
  const before = wantedOf(about);
  const changed = Object.entries(wanted).filter(([name, text]) => text !== before[name]);
  return Object.fromEntries(changed.map(([name, text]) => [name, valueOf(name, text)]));
}

/** @param {string} name @param {string} text */
function valueOf(name, text) {
  if (["title_weight", "k1", "b", "keep_queries"].includes(name)) return Number(text);
  if (name === "auto_retrain" && text === "drift") return { growth: 0.5, drift: true };
  if (name !== "synonyms") return text;
  const groups = text.split("\n").map((line) => line.split(",").map((word) => word.trim()).filter(Boolean));
  return groups.filter((group) => group.length > 0);
}
