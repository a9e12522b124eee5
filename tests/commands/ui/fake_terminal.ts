/**
 * A terminal that remembers what was written.
 *
 * @module
 */
import { type Sink, Terminal } from "../../../commands/ui/terminal.ts";

/** What was written, stream by stream. */
export interface Written {
  readonly terminal: Terminal;
  readonly out: () => string;
  readonly err: () => string;
}

/** Makes one; `interactive` is for both streams. */
export function fakeTerminal(interactive = false, width = 80): Written {
  const out = memory(interactive, width);
  const err = memory(interactive, width);
  return { terminal: new Terminal(out.sink, err.sink), out: out.text, err: err.text };
}

function memory(interactive: boolean, width: number) {
  let text = "";
  const sink: Sink = {
    interactive,
    colors: false,
    width: interactive ? width : Infinity,
    failure: undefined,
    write: (more) => {
      text += more;
    },
  };
  return { sink, text: () => text };
}
