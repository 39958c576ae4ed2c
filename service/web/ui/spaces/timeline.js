// Who answered when: since a version is told when it answered last, an earlier turn of it is not shown.
import { ago } from "../format.js";
import { html } from "../html.js";

const WIDTH = 640;
const ROW = 22;
const LEFT = 40;

/** @param {{spaces: any[]}} props */
export function Timeline({ spaces }) {
  const turns = turnsOf(spaces);
  if (turns.length < 2) return null;
  const [from, to] = [turns[0].from, Date.now()];
  const x = (/** @type {number} */ at) => LEFT + ((at - from) / Math.max(1, to - from)) * (WIDTH - LEFT);
  return html`<figure class="card spaces-timeline">
    <figcaption>Who answered when</figcaption>
    <svg viewBox=${`0 0 ${WIDTH} ${turns.length * ROW + 18}`} role="img" aria-label="Who answered when; the list below has it in words.">
      ${turns.map(
        (turn, n) => html`<g key=${turn.version}>
          <text class="tick" x="0" y=${n * ROW + 15}>${turn.version}</text>
          <rect class=${turn.until ? "spaces-turn" : "spaces-turn now"} x=${x(turn.from)} width=${Math.max(3, x(turn.until || to) - x(turn.from))} y=${n * ROW + 4} height=${ROW - 8} rx="2" />
        </g>`,
      )}
      <text class="tick" x=${LEFT} y=${turns.length * ROW + 14}>${ago(new Date(from).toISOString())}</text>
      <text class="tick" x=${WIDTH} y=${turns.length * ROW + 14} text-anchor="end">now</text>
    </svg>
    <ol class="spoken">
      ${turns.map((turn) => html`<li>Code space ${turn.version} from ${new Date(turn.from).toLocaleString("en")} ${turn.until ? `to ${new Date(turn.until).toLocaleString("en")}` : "until now"}</li>`)}
    </ol>
  </figure>`;
}

/** @param {any[]} spaces @returns {{version: number, from: number, until: number | null}[]} by time */
function turnsOf(spaces) {
  const begun = spaces.filter((one) => one.activated_at).map((one) => ({ version: one.version, from: Date.parse(one.activated_at) }));
  begun.sort((a, b) => a.from - b.from || a.version - b.version);
  return begun.map((turn, n) => ({ ...turn, until: begun[n + 1]?.from ?? null }));
}
