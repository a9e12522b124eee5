import { equal } from "node:assert/strict";
import { reporterFor } from "../../../commands/ui/reporter.ts";
import type { Event } from "../../../pipeline/events.ts";
import { fakeTerminal } from "./fake_terminal.ts";

const EVENTS: readonly Event[] = [
  { type: "stage-started", stage: "local" },
  { type: "log", level: "debug", stage: "local", message: "details" },
  { type: "log", level: "info", stage: "local", message: "Made a directory" },
  { type: "log", level: "warn", stage: undefined, message: "odd\nname" },
  { type: "stage-progress", stage: "local", done: 5, total: 10 },
  {
    type: "stage-finished",
    report: { id: "local", use: "local", status: "ok", message: "10 bytes", seconds: 12.5 },
  },
  {
    type: "stage-finished",
    report: { id: "usb", use: "local", status: "failed", message: "told later", seconds: 0 },
  },
];

function show(options: { readonly quiet: boolean; readonly interactive: boolean }): string {
  const { terminal, err } = fakeTerminal(options.interactive, 40);
  let now = 0;
  {
    using reporter = reporterFor(terminal, { quiet: options.quiet, clock: () => now += 100 });
    EVENTS.forEach(reporter.listener);
  }
  return err();
}

Deno.test("a reporter writes lines where there is no terminal, of stages that took long", () => {
  equal(
    show({ quiet: false, interactive: false }),
    "local: Made a directory\nWarning: odd\\nname\nlocal: ok, 10 bytes (13 s)\n",
  );
});

Deno.test("a reporter tells warnings alone when it is to be quiet", () => {
  equal(show({ quiet: true, interactive: false }), "Warning: odd\\nname\n");
  equal(show({ quiet: true, interactive: true }), "Warning: odd\\nname\n");
});

Deno.test("a reporter draws one line over on a terminal, and leaves none behind", () => {
  equal(
    show({ quiet: false, interactive: true }),
    "local\r\x1b[Klocal: Made a directory\nlocal\r\x1b[KWarning: odd\\nname\nlocal" +
      "\r\x1b[Klocal [===========          ]  50%  5 B\r\x1b[K",
  );
});

Deno.test("a reporter does not fail what it reports", () => {
  const { terminal } = fakeTerminal(true);
  using reporter = reporterFor(terminal, { quiet: false });
  reporter.listener({ type: "log", level: "warn" } as unknown as Event);
});
