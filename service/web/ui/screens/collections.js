import { html } from "../html.js";
import { Empty } from "../parts/empty.js";

/** @type {import("../screens.js").ScreenComponent} */
export default function Screen() {
  return html`<${Empty} title="Not there yet" />`;
}
