import { equal, match } from "node:assert/strict";
import { sayFacts } from "../../../commands/hook/session_start.ts";
import { escapeControls } from "../../../commands/ui/text.ts";
import { printable } from "../../../pipeline/config/problems.ts";
import { renderLine } from "../../../pipeline/watch/log_file.ts";
import { CONTROLS_REGEXP, escapeControl } from "../../../stages/formats/control_characters.ts";

/** What steers a terminal, turns the writing, ends a line, or stands there unseen. */
const CONTROLS = [
  ..."\0\x1b\x7f\x9b\u2028\u2029\udfff\ud800",
  ..."\u061c\u200e\u200f\u202a\u202e\u2066\u2069",
  ..."\u00ad\u180e\u200b\u2060\u2064\ufeff\u{e0001}\u{e0061}",
];

Deno.test("no control, no half of a character and nothing unseen passes to a screen", () => {
  for (const character of CONTROLS) {
    const code = `\\u{${character.codePointAt(0)!.toString(16)}}`;
    equal(character.replace(CONTROLS_REGEXP, escapeControl), code);
    equal(escapeControls(`a${character}b`), `a${code}b`);
    equal(printable(`a${character}b`), `a${code}b`);
    const line = { time: new Date(0), run: 1, level: "info", stage: "s3" } as const;
    match(renderLine({ ...line, message: `a${character}b` }), /a\\u\{\w+\}b$/);
    const facts = {
      ...{ pipeline: `a${character}b`, finished: 0, status: 0, failures: [] },
      ...{ succeeded: null, made: [], endangered: [] },
    };
    const { warnings } = sayFacts({ facts, pending: [], now: 0, maxAge: 1 });
    equal(warnings[0], 'No run of backup "a�b" has ended well yet, as far as is known', code);
  }
});
