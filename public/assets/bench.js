/** @import { Api, Bench, HeldInstances } from "../home-types.ts" */
import { createConsole } from "./console.js";
import { createFigures } from "./figures.js";

/**
 * The workbench below the slip: console and figures of the instance shown. Loaded once there is one.
 * @param {HTMLElement} root
 * @param {Api} api
 * @param {(id: string) => void} onRefused  Called when the service refuses calls for an instance, which may have ended.
 * @param {HeldInstances} held
 * @returns {Bench}
 */
export function createBench(root, api, onRefused, held) {
  const styles = document.createElement("link");
  styles.rel = "stylesheet";
  styles.href = new URL("bench.css", import.meta.url).href;
  document.head.append(styles);
  const console = createConsole(root, api, onRefused, held);
  const figures = createFigures(root, api, onRefused);
  return {
    use(instance) {
      root.dataset.state = instance ? "running" : "blank";
      console.use(instance);
      figures.use(instance);
    },
  };
}
