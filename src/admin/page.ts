/** `GET /`: one plain page about the node, without scripts or anything from elsewhere. */

import type { Status } from "./status.ts";

/** Nothing but the page's own style may load. */
export const PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";

const REFRESH_SECONDS = 5;

const STYLE = `
  body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem;
    color: #1d2733; background: #fff; }
  h1 { font-size: 1.3rem; } h2 { font-size: 1rem; margin-top: 2rem; }
  table { border-collapse: collapse; width: 100%; }
  th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid #d8dee6; }
  th { font-weight: 600; } td { font-variant-numeric: tabular-nums; }
  .good { color: #18713d; } .bad { color: #a4262c; }
  @media (prefers-color-scheme: dark) {
    body { color: #dde4ec; background: #12181f; } th, td { border-color: #2c3743; }
    .good { color: #5fce8d; } .bad { color: #ff8a8a; } a { color: #8ab8ff; }
  }`;

export function statusPage(status: Status): string {
  const title = `Logboat node ${status.nodeId}`;
  const ready = status.ready
    ? '<span class="good">ready</span>'
    : `<span class="bad">not ready: ${escapeHtml(status.notReadyReason ?? "")}</span>`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="refresh" content="${REFRESH_SECONDS}">
<title>${title}</title>
<style>${STYLE}
</style>
</head>
<body>
<h1>${title}: ${escapeHtml(status.role)}, ${ready}</h1>
${facts(status)}
<h2>Members</h2>
${table(MEMBER_HEAD, memberRows(status))}
<h2>Databases</h2>
${table(["database", "keys", "with a deadline"], databaseRows(status))}
<p><a href="/api/v1/status">status as JSON</a> · <a href="/metrics">metrics</a></p>
</body>
</html>
`;
}

function facts(status: Status): string {
  return table(["", ""], [
    ["version", status.version],
    ["cluster", status.clusterId],
    ["leader", status.leaderId === null ? "none known" : `node ${status.leaderId}`],
    ["term", `${status.term}`],
    [
      "committed / applied / last entry",
      [
        status.commitIndex,
        status.appliedIndex,
        status.lastIndex,
      ].join(" / "),
    ],
    ["log on disk", `${status.logBytes} bytes in ${status.logSegments} files`],
    ["snapshot", snapshotText(status)],
    ["members", status.changingMembers ? "changing" : `as of entry ${status.configurationIndex}`],
    ...troubleRows(status),
    ["waiting writes / reads", `${status.pendingWrites} / ${status.pendingReads}`],
    ["running for", `${Math.floor(status.uptimeMs / 1000)} s, start ${status.incarnation}`],
  ]);
}

function snapshotText({ snapshotIndex, snapshotBytes, snapshotting }: Status): string {
  const newest = snapshotIndex === 0
    ? "none yet"
    : `up to entry ${snapshotIndex}, ${snapshotBytes} bytes`;
  return snapshotting ? `${newest}; another is being taken` : newest;
}

/** What is the matter with the node; nothing when all is well. */
function troubleRows({ quarantined, recovering, damagedEntries }: Status): string[][] {
  const rows: string[][] = [];
  if (quarantined !== null) rows.push(["quarantined", quarantined]);
  if (recovering) rows.push(["recovering", "votes for nobody until it has caught up"]);
  if (damagedEntries > 0) {
    rows.push(["damaged entries", `${damagedEntries} wait for a peer's copy`]);
  }
  return rows;
}

const MEMBER_HEAD = ["id", "standing", "Raft", "Redis", "linked", "behind", "last heard"];

function memberRows({ members, lastIndex, nodeId, leaderId }: Status): string[][] {
  return members.map((member) => [
    member.id === nodeId ? `${member.id} (this node)` : `${member.id}`,
    member.id === leaderId ? `${member.standing}, leads` : member.standing,
    member.raftAddress,
    member.redisAddress,
    member.connected ? "yes" : "no",
    behindText(member, lastIndex),
    member.lastContactMs === null ? "" : `${Math.round(member.lastContactMs)} ms ago`,
  ]);
}

function behindText(
  { matchIndex, snapshotSending }: Status["members"][number],
  lastIndex: number,
): string {
  if (snapshotSending !== null) {
    return `gets a snapshot: ${snapshotSending.sentBytes} of ${snapshotSending.bytes} bytes`;
  }
  return matchIndex === null ? "" : `${Math.max(0, lastIndex - matchIndex)} entries`;
}

function databaseRows({ databases }: Status): string[][] {
  return databases.map(({ index, keys, expires }) => [`${index}`, `${keys}`, `${expires}`]);
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const row = (cells: readonly string[], tag: string) =>
    `<tr>${cells.map((cell) => `<${tag}>${escapeHtml(cell)}</${tag}>`).join("")}</tr>`;
  const header = head.some((cell) => cell !== "") ? [row(head, "th")] : [];
  return `<table>\n${[...header, ...rows.map((cells) => row(cells, "td"))].join("\n")}\n</table>`;
}

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
