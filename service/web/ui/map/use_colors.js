// Whether the page is dark now, and the colors of its style that the canvas needs.
import { useEffect, useState } from "../html.js";
import { useStore } from "../store.js";
import { theme } from "../theme.js";
import { rgbOf } from "./palette.js";

/** @returns {{ dark: boolean, background: number[], ring: number[] }} RGB, 0 to 255 */
export function useColors() {
  const { theme: chosen } = useStore(theme);
  const [colors, setColors] = useState(read);
  useEffect(() => {
    const system = matchMedia("(prefers-color-scheme: dark)"), again = () => setColors(read());
    again();
    system.addEventListener("change", again);
    return () => system.removeEventListener("change", again);
  }, [chosen]);
  return colors;
}

function read() {
  const style = getComputedStyle(document.documentElement);
  const background = rgbOf(style.getPropertyValue("--card")), ring = rgbOf(style.getPropertyValue("--ink"));
  return { dark: background[0] < 128, background, ring };
}
