/**
 * How the demonstration talks: numbered headings, commands as one would type them, what programs
 * really print, and a sentence on what was seen.
 *
 * @module
 */
import { styleText } from "node:util";
import { wrapText } from "../../stages/formats/words.ts";

/** Writes the demonstration to stdout. */
export class Narrator {
  readonly #color: boolean;
  #step = 0;
  #atLineStart = true;
  #afterHeading = false;

  constructor(color: boolean) {
    this.#color = color;
  }

  /** Begins a step. */
  heading(text: string): void {
    this.#write(`\n${this.#style("bold", `${++this.#step}. ${text}`)}\n\n`);
    this.#afterHeading = true;
  }

  /** Shows a command line. */
  command(text: string): void {
    for (const [i, line] of text.split("\n").entries()) {
      this.#write(`${this.#style("cyan", `  ${i === 0 ? "$" : " "} ${line}`)}\n`);
    }
  }

  /** Passes on what a program prints, as it comes, set in by a bar. */
  output(text: string): void {
    const bar = this.#style("dim", "  │ ");
    let shown = "";
    for (const line of text.split(/(?<=\n)/)) {
      shown += (this.#atLineStart ? bar : "") + line;
      this.#atLineStart = line.endsWith("\n");
    }
    this.#write(shown);
  }

  /** Ends a program's output, which may lack its last line break. */
  outputEnds(): void {
    if (!this.#atLineStart) this.#write("\n");
    this.#atLineStart = true;
  }

  /** Says something about what was seen. */
  say(text: string): void {
    const lines = wrapText(text, 87).map((line) => `  ${line}\n`);
    this.#write(`${this.#afterHeading ? "" : "\n"}${lines.join("")}`);
  }

  /** Shows something that was found to be so. */
  held(text: string): void {
    this.#write(`${this.#style("green", "  ✓ ")}${text}\n`);
  }

  /** Shows one of several things that belong to the last word. */
  item(text: string): void {
    this.#write(`      ${text}\n`);
  }

  /** Says what cannot be shown here. */
  absent(text: string): void {
    this.#write(`${this.#style("yellow", "  – ")}${text}\n`);
  }

  /** Ends the demonstration, well or not. */
  close(text: string, ok: boolean): void {
    this.#write(`\n${this.#style(ok ? "green" : "red", `${ok ? "✓" : "✗"} ${text}`)}\n`);
  }

  #style(format: "bold" | "dim" | "cyan" | "green" | "yellow" | "red", text: string): string {
    return this.#color ? styleText(format, text, { validateStream: false }) : text;
  }

  #write(text: string): void {
    this.#afterHeading = false;
    Deno.stdout.writeSync(new TextEncoder().encode(text));
  }
}
