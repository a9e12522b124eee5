import { deepEqual, ok } from "node:assert/strict";
import { renderTable } from "../../../commands/ui/table.ts";
import { widthOf } from "../../../commands/ui/text.ts";

const COLUMNS = [
  { title: "ID" },
  { title: "SIZE", align: "right" },
  { title: "WHERE", shrinks: true },
] as const;
const ROWS = [
  ["claude", "200 MB", "/home/user/.local/share/keepsake/backups"],
  ["日記", "1 B", "usb"],
];

Deno.test("a table lines its columns up", () => {
  deepEqual(renderTable(COLUMNS, ROWS, Infinity), [
    "ID        SIZE  WHERE",
    "claude  200 MB  /home/user/.local/share/keepsake/backups",
    "日記       1 B  usb",
  ]);
});

Deno.test("a table cuts what may be cut when the terminal is narrow", () => {
  const lines = renderTable(COLUMNS, ROWS, 36);
  deepEqual(lines[1], "claude  200 MB  /home/user…e/backups");
  ok(lines.every((line) => widthOf(line) <= 36));
});

Deno.test("a table never cuts what is to be copied, however narrow the terminal is", () => {
  deepEqual(renderTable(COLUMNS, ROWS, 5)[1], "claude  200 MB  /hom…ups");
});

Deno.test("a table without rows is its titles", () => {
  deepEqual(renderTable(COLUMNS, [], 80), ["ID  SIZE  WHERE"]);
});
