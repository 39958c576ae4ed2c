// What happened in a training, one line each, as its job and its records tell it.
import { duration, number, percent } from "../format.js";
import { html } from "../html.js";

/** @param {{job: any, records: import("./follow.js").TrainingRecord[]}} props */
export function Log({ job, records }) {
  const lines = linesOf(job, records);
  return html`<details class="card learning-log" open=${job.state === "failed"}>
    <summary>Log <span class="soft">(${lines.length} lines)</span></summary>
    <ol aria-label="Log of the training" tabindex="0">
      ${lines.map(([at, text], n) => html`<li key=${n}><time datetime=${at}>${clock(at)}</time> ${text}</li>`)}
    </ol>
  </details>`;
}

/** @param {any} job @param {import("./follow.js").TrainingRecord[]} records @returns {[string, string][]} */
function linesOf(job, records) {
  /** @type {[string, string][]} */
  const lines = [[job.created_at, "A training was asked for."]];
  if (job.started_at) lines.push([job.started_at, "A trainer took it."]);
  records.forEach((record, n) => {
    const next = records[n + 1];
    if (record.landmarks) lines.push([record.at, `Watches ${record.landmarks.length} documents that it does not learn from.`]);
    if (n > 0 && records[n - 1].network !== record.network) lines.push([record.at, `The network of ${record.n_bits} bits starts from the first one.`]);
    if (!next || next.epoch !== record.epoch) lines.push([record.at, epochText(record)]);
  });
  if (job.progress.stage === "active" || job.progress.stage === "ready") lines.push([job.finished_at || job.started_at, "The new codes passed."]);
  if (job.finished_at) lines.push([job.finished_at, endText(job)]);
  return lines;
}

/** @param {import("./follow.js").TrainingRecord} record */
function epochText(record) {
  const loss = record.loss === null ? "" : ` loss ${number(Number(record.loss.toFixed(3)))},`;
  const validation = record.validation_loss === null ? "" : ` validation ${number(Number(record.validation_loss.toFixed(3)))},`;
  return `Epoch ${record.epoch}:${loss}${validation} ${percent(record.saturated)} of the units are sure.`;
}

/** @param {any} job */
function endText(job) {
  const took = job.started_at ? ` after ${duration((Date.parse(job.finished_at) - Date.parse(job.started_at)) / 1_000)}` : "";
  return `It ${job.state === "succeeded" ? "succeeded" : job.state === "failed" ? "failed" : "was cancelled"}${took}.${job.error ? ` ${job.error}` : ""}`;
}

/** @param {string} at */
const clock = (at) => new Date(at).toLocaleTimeString("en", { hour12: false });
