/**
 * A text play: commands, and below each what followed from it. Nothing happens by itself: no time
 * passes, nothing is sent, written or delivered but by a command. `plays_test.ts` runs the plays.
 *
 * ```
 * > cluster 1 2 3 [learner 4] [joining 5]      nodes with these members and empty logs
 * > node 4 [term T] [voted N] [log T T T] [start T/I] [members 1 2 3] [may-not-vote]
 * > campaign 1          node 1's election timer runs out; others' clocks go along, unless `alone`
 * > lead 1              campaign and settle, then a heartbeat; says only who is what
 * > cut 1 2 / heal      these nodes reach each other and nobody else
 * > run 1000 [1 2]      time passes and everything settles; says only who is what
 * > settle [1 2]        work, deliver and sync until nothing happens (only these nodes)
 * > work 1              takes what node 1 has to do; its messages wait
 * > deliver 2 [from 1]  delivers what waits for node 2, in order; deliver-one 2: the first of it
 * > drop 2 [from 1]     loses it
 * > sync 1              what node 1 wrote is durable; what it promised waits for delivery
 * > tick 100 [1 2]      time passes on these nodes or on all
 * > propose 1 TEXT / read 1 ID / transfer 1 [2] / close 1 [at 2 3]
 * > change 1 add 4 voter|learner [for 3] / remove 2 / promote 4 / demote 2
 * > snapshot 1          node 1 takes a snapshot of what it has applied
 * > compact 1           node 1's log begins behind its newest snapshot
 * > install 1 2 [old]   node 2 has received node 1's newest (previous) snapshot
 * > sent 1 2 [failed]   node 1's transfer to node 2 has ended
 * > restart 2 [wiped]   the process of node 2 starts again from its disk (from an empty one)
 * > state [1 2] / progress 1
 * > lease-reads         nodes made from here on read by lease
 * ```
 */

import { NodeId, Term } from "../../../src/base/mod.ts";
import {
  EMPTY_CONFIGURATION,
  type Raft,
  type RaftMessage,
  recordWithPayload,
  type StepResult,
} from "../../../src/raft/mod.ts";
import {
  describeId,
  describeMembers,
  describeMessage,
  describeNode,
  describeProgress,
} from "./describe.ts";
import { addressesOf, configurationOf } from "./members.ts";
import {
  type Actor,
  changeOf,
  type Disk,
  emptyDisk,
  groupsOf,
  raftOf,
  readEntries,
  store,
} from "./play_actor.ts";
import { ELECTION_MAX_MS, entry, HEARTBEAT_MS, id } from "./stage.ts";

export class Play {
  readonly #actors = new Map<number, Actor>();
  #nowMs = 0;
  #output: string[] = [];
  #leaseReads = false;
  #cutOff = new Set<number>();

  /** Runs one command and says what followed. */
  run(command: string): string[] {
    this.#output = [];
    const words = command.split(/\s+/);
    const name = words.shift() as string;
    const run = this.#commands[name];
    if (run === undefined) throw new Error(`Cannot play "${command}": no such command`);
    run(words);
    this.#noteRoles();
    return this.#output.length === 0 ? ["ok"] : this.#output;
  }

  readonly #commands: Readonly<Record<string, (words: string[]) => void>> = {
    cluster: (words) => this.#cluster(words),
    node: (words) => this.#node(words),
    campaign: (words) => this.#campaign(words),
    lead: ([node]) => this.#lead(node),
    cut: (nodes) => this.#cutOff = new Set(nodes.map(Number)),
    heal: () => this.#cutOff.clear(),
    settle: (words) => this.#settle(this.#some(words)),
    work: ([node]) => this.#work(this.#actor(node)),
    sync: ([node]) => this.#sync(this.#actor(node)),
    run: ([ms, ...nodes]) =>
      this.#quietly(() => {
        for (let left = Number(ms); left > 0; left -= HEARTBEAT_MS) {
          this.#tick(HEARTBEAT_MS, this.#some(nodes));
          this.#settle(this.#some(nodes));
        }
      }),
    "deliver-one": ([node]) => {
      const { waiting } = this.#actor(node);
      const rest = waiting.splice(1);
      this.#deliver(this.#actor(node), undefined);
      this.#actor(node).waiting.push(...rest);
    },
    deliver: ([node, , from]) => this.#deliver(this.#actor(node), from),
    drop: ([node, , from]) => this.#take(this.#actor(node), from),
    tick: ([ms, ...nodes]) => this.#tick(Number(ms), this.#some(nodes)),
    propose: ([node, ...text]) => {
      const record = recordWithPayload(new TextEncoder().encode(text.join(" ")));
      this.#say(this.#actor(node).raft.step({ kind: "propose", entryKind: "command", record }));
    },
    read: ([node, readId]) =>
      this.#say(this.#actor(node).raft.step({ kind: "read", readId: Number(readId) })),
    transfer: ([node, to]) => {
      const target = to === undefined ? undefined : NodeId(Number(to));
      this.#say(this.#actor(node).raft.step({ kind: "transfer", to: target }));
    },
    close: ([node, , ...at]) => {
      for (const actor of this.#some(at)) {
        if (actor.id === Number(node)) continue;
        actor.raft.step({ kind: "peerClosed", peer: NodeId(Number(node)) });
      }
    },
    change: ([node, ...words]) =>
      this.#say(this.#actor(node).raft.step({ kind: "changeMembers", change: changeOf(words) })),
    snapshot: ([node]) => this.#snapshot(this.#actor(node)),
    compact: ([node]) => this.#compact(this.#actor(node)),
    install: ([from, to, which]) =>
      this.#install(this.#actor(from), this.#actor(to), which === "old"),
    sent: ([node, to, failed]) => {
      const peer = NodeId(Number(to));
      const sent = failed === undefined;
      this.#say(this.#actor(node).raft.step({ kind: "snapshotDone", peer, sent }));
    },
    restart: ([node, wiped]) => this.#restart(this.#actor(node), wiped !== undefined),
    "lease-reads": () => this.#leaseReads = true,
    state: (words) => {
      for (const { id, raft } of this.#some(words)) {
        this.#output.push(`${id}: ${describeNode(raft)}`);
      }
    },
    progress: ([node]) => this.#output.push(...describeProgress(this.#actor(node).raft)),
  };

  // ——— Nodes ———

  #actor(node: string | number): Actor {
    const actor = this.#actors.get(Number(node));
    if (actor === undefined) throw new Error(`Cannot find node ${node}`);
    return actor;
  }

  #some(nodes: readonly string[]): Actor[] {
    return nodes.length === 0 ? [...this.#actors.values()] : nodes.map((node) => this.#actor(node));
  }

  #cluster(words: readonly string[]): void {
    const groups = groupsOf(["voter", ...words]);
    const voters = groups.voter ?? [];
    let configuration = configurationOf(voters);
    for (const standing of ["learner", "joining"] as const) {
      for (const node of groups[standing] ?? []) {
        const member = { id: NodeId(node), ...addressesOf(node), standing };
        configuration = { ...configuration, members: [...configuration.members, member] };
      }
    }
    for (const member of configuration.members) {
      this.#add(member.id, emptyDisk(configuration), true);
    }
  }

  #node([node, ...words]: string[]): void {
    const groups = groupsOf(words);
    const members = groups.members === undefined
      ? EMPTY_CONFIGURATION
      : configurationOf(groups.members);
    const disk = emptyDisk(members);
    const [term, index] = (words[words.indexOf("start") + 1] ?? "").split("/").map(Number);
    if ("start" in groups) disk.start = id(term, index);
    const terms = groups.log ?? [];
    disk.log = terms.map((term, at) => entry(term, disk.start.index + at + 1));
    const lastTerm = terms.at(-1) ?? disk.start.term;
    const votedFor = groups.voted === undefined ? undefined : NodeId(groups.voted[0]);
    disk.hardState = { term: Term(groups.term?.[0] ?? lastTerm), votedFor };
    if (disk.start.index > 0) {
      disk.base = { index: disk.start.index, configuration: members };
      disk.snapshots.push({ last: disk.start, configuration: members });
    }
    this.#add(NodeId(Number(node)), disk, !("may-not-vote" in groups));
  }

  #add(id: NodeId, disk: Disk, mayVote: boolean): void {
    const actor: Actor = {
      id,
      disk,
      raft: this.#start(id, disk, mayVote),
      unsynced: [],
      waiting: [],
      role: "",
    };
    this.#actors.set(id, actor);
  }

  #start(id: NodeId, disk: Disk, mayVote: boolean): Raft {
    return raftOf(id, disk, { mayVote, leaseReads: this.#leaseReads, nowMs: this.#nowMs });
  }

  #restart(actor: Actor, wiped: boolean): void {
    if (wiped) actor.disk = emptyDisk(EMPTY_CONFIGURATION);
    actor.unsynced = [];
    actor.waiting = [];
    for (const other of this.#actors.values()) {
      other.waiting = other.waiting.filter((message) => message.from !== actor.id);
      if (other !== actor) other.raft.step({ kind: "peerClosed", peer: actor.id });
    }
    actor.raft = this.#start(actor.id, actor.disk, true);
    this.#output.push(`${actor.id}: ${describeNode(actor.raft)}`);
  }

  // ——— Time and work ———

  #campaign([node, alone]: string[]): void {
    const actor = this.#actor(node);
    this.#nowMs = Math.max(this.#nowMs, actor.raft.wakeAtMs);
    for (const { id, raft } of this.#actors.values()) {
      if (id === actor.id || alone !== undefined) continue;
      if (raft.role !== "follower" && raft.role !== "learner") continue;
      raft.step({ kind: "tick", nowMs: Math.min(this.#nowMs, raft.wakeAtMs - 1) });
    }
    // In steps, so that it does not look like a process that was stopped.
    for (let ms = this.#nowMs - 2 * ELECTION_MAX_MS; ms < this.#nowMs; ms += HEARTBEAT_MS) {
      actor.raft.step({ kind: "tick", nowMs: ms });
    }
    actor.raft.step({ kind: "tick", nowMs: this.#nowMs });
  }

  #lead(node: string): void {
    this.#quietly(() => {
      this.#campaign([node]);
      this.#settle(this.#some([]));
      this.#tick(HEARTBEAT_MS, this.#some([]));
      this.#settle(this.#some([]));
    });
    this.#output = [`${node}: ${describeRole(this.#actor(node).raft)}`];
  }

  /** Says only what became of whom. */
  #quietly(run: () => void): void {
    run();
    this.#output = this.#output.filter((line) => /^\d+: /.test(line));
  }

  #tick(durationMs: number, actors: readonly Actor[]): void {
    const endMs = this.#nowMs + durationMs;
    while (this.#nowMs < endMs) {
      this.#nowMs = Math.min(endMs, this.#nowMs + HEARTBEAT_MS);
      for (const { raft } of actors) raft.step({ kind: "tick", nowMs: this.#nowMs });
    }
  }

  #settle(actors: readonly Actor[]): void {
    for (let busy = true; busy;) {
      busy = false;
      for (const actor of actors) {
        if (!actor.raft.hasReady() && actor.unsynced.length === 0 && actor.waiting.length === 0) {
          continue;
        }
        busy = true;
        this.#deliver(actor, undefined);
        while (actor.raft.hasReady()) this.#work(actor);
        this.#sync(actor);
      }
    }
  }

  #work(actor: Actor): void {
    this.#noteRoles();
    const ready = actor.raft.takeReady();
    if (ready.snapshot !== undefined) {
      const { last, configuration } = ready.snapshot;
      this.#output.push(
        `${actor.id} installs ${describeId(last)} {${describeMembers(configuration)}}`,
      );
    }
    for (const { readId, index } of ready.reads) {
      this.#output.push(`${actor.id} read ${readId}: ${index ?? "ask again"}`);
    }
    for (const { peer } of ready.snapshots) {
      this.#output.push(`${actor.id} offers ${peer} a snapshot`);
    }
    this.#send(ready.messages);
    actor.unsynced.push(ready);
    for (const { peer, first, last, bytesMax } of ready.fetches) {
      const entries = readEntries(actor.disk, first, last, bytesMax);
      actor.raft.step({ kind: "fetched", peer, first, entries });
    }
    if (ready.commitIndex > actor.raft.appliedIndex) {
      this.#output.push(`${actor.id} applies up to ${ready.commitIndex}`);
      actor.raft.step({ kind: "applied", index: ready.commitIndex });
    }
  }

  #sync(actor: Actor): void {
    const { disk } = actor;
    for (const ready of actor.unsynced.splice(0)) {
      store(disk, ready);
      const { number, messagesAfterPersist } = ready;
      this.#send(messagesAfterPersist);
      actor.raft.step({ kind: "persisted", number });
    }
  }

  #noteRoles(): void {
    for (const actor of this.#actors.values()) {
      const role = describeRole(actor.raft);
      if (role === actor.role) continue;
      if (actor.role !== "") this.#output.push(`${actor.id}: ${role}`);
      actor.role = role;
    }
  }

  #send(messages: readonly RaftMessage[]): void {
    for (const message of messages) {
      this.#output.push(describeMessage(message));
      const isLost = this.#cutOff.has(message.from) !== this.#cutOff.has(message.to);
      if (!isLost) this.#actors.get(message.to)?.waiting.push(message);
    }
  }

  #take(actor: Actor, from: string | undefined): RaftMessage[] {
    const takes = (message: RaftMessage) => from === undefined || message.from === Number(from);
    const taken = actor.waiting.filter(takes);
    actor.waiting = actor.waiting.filter((message) => !takes(message));
    return taken;
  }

  #deliver(actor: Actor, from: string | undefined): void {
    for (const message of this.#take(actor, from)) {
      const result = actor.raft.step({ kind: "message", message });
      if (result.kind === "ignored") {
        this.#output.push(`${actor.id} ignores ${describeMessage(message)}: ${result.reason}`);
      }
      this.#noteRoles();
    }
  }

  // ——— Snapshots ———

  #snapshot({ id, raft, disk }: Actor): void {
    const index = raft.appliedIndex;
    const term = disk.log[index - 1 - disk.start.index].term;
    const snapshot = { last: { term, index }, configuration: raft.committedConfiguration };
    disk.snapshots.push(snapshot);
    disk.base = { index, configuration: snapshot.configuration };
    this.#output.push(`${id} has snapshot ${describeId(snapshot.last)}`);
  }

  #compact({ raft, disk }: Actor): void {
    const index = disk.snapshots.at(-1)?.last.index ?? 0;
    const at = index - disk.start.index;
    const start = id(disk.log[at - 1].term, index);
    disk.log = disk.log.slice(at);
    disk.start = start;
    raft.step({ kind: "compacted", start });
  }

  #install(from: Actor, to: Actor, old: boolean): void {
    const snapshot = from.disk.snapshots.at(old ? -2 : -1);
    if (snapshot === undefined) throw new Error(`Node ${from.id} has no such snapshot`);
    const { term } = from.raft;
    this.#say(to.raft.step({ kind: "snapshotReceived", from: from.id, term, ...snapshot }));
  }

  #say(result: StepResult): void {
    switch (result.kind) {
      case "proposed":
        this.#output.push(`proposed ${describeId(result.id)}`);
        break;
      case "refused":
      case "ignored":
        this.#output.push(`${result.kind}: ${result.reason}`);
        break;
      case "invalid":
        this.#output.push(`invalid: ${result.text}`);
        break;
      case "done":
    }
  }
}

function describeRole(raft: Raft): string {
  return `${raft.role} in term ${raft.term}`;
}
