// Reads JSON documents, one a line in base64, and prints what each means: a hash of all of it, and one of its field `extra`.

import { createHash } from "node:crypto";
import { createInterface } from "node:readline";

function canonical(value) {
  if (value === null || typeof value === "boolean") return JSON.stringify(value);
  if (typeof value === "number") {
    if (Number.isInteger(value)) return "i" + BigInt(value).toString();
    const bytes = Buffer.alloc(8);
    bytes.writeDoubleBE(value);
    return "f" + bytes.toString("hex");
  }
  if (typeof value === "string") return "s" + Buffer.from(value, "utf16le").swap16().toString("hex");
  if (Array.isArray(value)) return "[" + value.map(canonical).join(",") + "]";
  const items = Object.keys(value).map((key) => canonical(key) + ":" + canonical(value[key]));
  return "{" + items.sort().join(",") + "}";
}

const digest = (value) => createHash("sha256").update(canonical(value)).digest("hex");

for await (const line of createInterface({ input: process.stdin })) {
  try {
    const document = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(Buffer.from(line, "base64")));
    const own = document !== null && typeof document === "object" && Object.hasOwn(document, "extra");
    console.log(digest(document), digest(own ? document.extra : null));
  } catch {
    console.log("unreadable unreadable");
  }
}
