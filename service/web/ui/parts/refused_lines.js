// The lines that an import refused, each with its number and the reason.
import { lines } from "../api.js";
import { number } from "../format.js";
import { html, useEffect, useState } from "../html.js";
import { Table } from "./table.js";

const MOST_SHOWN = 100;

/** @param {{job: {id: string, progress: Record<string, any>}}} props */
export function RefusedLines({ job }) {
  const [refused, setRefused] = useState(/** @type {any[]} */ ([]));
  useEffect(() => {
    const controller = new AbortController();
    void read(job.id, controller.signal).then(setRefused, () => {});
    return () => controller.abort();
  }, [job.id, job.progress.refused]);
  const columns = [
    { title: "Line", isNumber: true, cell: (/** @type {any} */ one) => number(one.line) },
    { title: "Why", cell: (/** @type {any} */ one) => one.reason },
    { title: "It begins with", cell: (/** @type {any} */ one) => html`<code>${one.beginning}</code>` },
  ];
  const n = job.progress.refused;
  const caption = n > MOST_SHOWN ? `The first ${MOST_SHOWN} of ${number(n)} lines that were refused` : "Lines that were refused; all others are stored";
  return html`<${Table} caption=${caption} columns=${columns} rows=${refused} rowKey=${(/** @type {any} */ one) => one.line} />`;
}

/** @param {string} job @param {AbortSignal} signal */
async function read(job, signal) {
  const found = [];
  for await (const line of lines({ path: `/v1/jobs/${job}/errors` }, signal)) {
    found.push(line);
    if (found.length === MOST_SHOWN) break;
  }
  return found;
}
