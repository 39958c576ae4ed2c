// Who answered when: since a version is told when it answered last, an earlier turn of it is not shown.
import { ago, date } from "../format.js";
import { html } from "../html.js";

/** @param {{spaces: any[]}} props */
export function Timeline({ spaces }) {
  const turns = turnsOf(spaces);
  if (turns.length < 2) return null;
  const [from, to] = [turns[0].from, Date.now()];
  const at = (/** @type {number} */ moment) => `${(100 * (moment - from)) / Math.max(1, to - from)}%`;
  return html`<section class="card spaces-timeline" aria-label="Who answered when">
    <h3>Who answered when</h3>
    <ol>
      ${turns.map(
        (turn) => html`<li key=${turn.version}>
          <span class="spaces-version">${turn.version}</span>
          <span class="spaces-turns" title=${wordsOf(turn)}>
            <span class=${turn.until ? "spaces-turn" : "spaces-turn now"} style=${{ left: at(turn.from), right: `calc(100% - ${at(turn.until || to)})` }}></span>
          </span>
          <span class="spoken">${wordsOf(turn)}</span>
        </li>`,
      )}
    </ol>
    <p class="hint spaces-ends" aria-hidden="true"><span>${ago(new Date(from).toISOString())}</span><span>now</span></p>
  </section>`;
}

/** @typedef {{version: number, from: number, until: number | null}} Turn */

/** @param {any[]} spaces @returns {Turn[]} by time */
function turnsOf(spaces) {
  const begun = spaces.filter((one) => one.activated_at).map((one) => ({ version: one.version, from: Date.parse(one.activated_at) }));
  begun.sort((a, b) => a.from - b.from || a.version - b.version);
  return begun.map((turn, n) => ({ ...turn, until: begun[n + 1]?.from ?? null }));
}

/** @param {Turn} turn */
function wordsOf({ from, until }) {
  const written = (/** @type {number} */ moment) => date(new Date(moment).toISOString());
  return `from ${written(from)} ${until ? `to ${written(until)}` : "until now"}`;
}
