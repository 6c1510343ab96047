/** One run of `redis-benchmark`, the client of every row. */

/** What a row asks of the server. */
export interface Load {
  readonly command: "SET" | "GET";
  readonly clients: number;
  readonly pipeline: number;
}

export interface RunResult {
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly requests: number;
}

export const valueBytes = 64;
export const randomKeys = 100_000;

/** Runs `requests` requests; throws when the tool fails or the server answers with an error. */
export async function runLoad(port: number, load: Load, requests: number): Promise<RunResult> {
  const args = [
    ...["-h", "127.0.0.1", "-p", `${port}`, "-t", load.command.toLowerCase()],
    ...["-c", `${load.clients}`, "-P", `${load.pipeline}`, "-n", `${requests}`],
    ...["-r", `${randomKeys}`, "-d", `${valueBytes}`, "--csv"],
  ];
  const { code, stdout, stderr } = await new Deno.Command("redis-benchmark", { args }).output();
  const text = new TextDecoder();
  const output = text.decode(stdout);
  const errors = text.decode(stderr).split("\n").filter((line) => !isHarmless(line)).join("\n");
  if (code !== 0 || errors !== "") {
    throw new Error(
      `Cannot run redis-benchmark ${args.join(" ")}: code ${code} ${errors}${output}`,
    );
  }
  return { ...parseCsv(output, load.command), requests };
}

/** The tool asks for settings that only redis-server has, and goes on without them. */
function isHarmless(line: string): boolean {
  return line.trim() === "" || line.startsWith("WARNING: Could not fetch server CONFIG");
}

/** Reads the row of `command` in the tool's CSV, by the names in its header. */
export function parseCsv(
  output: string,
  command: string,
): { requestsPerSecond: number; p50Ms: number; p99Ms: number } {
  const rows = output.split("\n").map((line) =>
    line.split(",").map((cell) => cell.replaceAll('"', ""))
  );
  const header = rows.find((cells) => cells[0] === "test");
  const row = rows.find((cells) => cells[0] === command);
  const read = (name: string): number => {
    const value = Number(row?.[header?.indexOf(name) ?? -1]);
    if (!Number.isFinite(value)) {
      throw new Error(`Cannot read ${name} of ${command}: found ${JSON.stringify(output)}`);
    }
    return value;
  };
  return {
    requestsPerSecond: read("rps"),
    p50Ms: read("p50_latency_ms"),
    p99Ms: read("p99_latency_ms"),
  };
}

const requestsMin = 200;

/** How many requests take about `seconds`, from a run that is long enough to tell. */
export async function requestsFor(port: number, load: Load, seconds: number): Promise<number> {
  let requests = Math.max(requestsMin, load.clients * load.pipeline * 4);
  while (true) {
    const { requestsPerSecond } = await runLoad(port, load, requests);
    const wanted = Math.ceil(requestsPerSecond * seconds);
    if (requests * 8 >= wanted) {
      return Math.max(requestsMin, load.clients * load.pipeline, wanted);
    }
    requests = Math.min(wanted, requests * 8);
  }
}
