/** What an instance reports about itself. */
export type InstanceFigures = {
  /** Memory of data and clients, and the most that data may take. */
  readonly memoryBytes: number;
  readonly maxMemoryBytes: number;
  /** Keys of all databases. */
  readonly keys: number;
  /** Connections, not counting the one that asks. */
  readonly clients: number;
  readonly maxClients: number;
  /** Commands a second, as the server averages them over the last seconds. */
  readonly opsPerSecond: number;
};

/**
 * Figures out of the answer to INFO with the sections clients,
 * memory, stats and keyspace; undefined when one is missing.
 */
export function figuresOf(info: string): InstanceFigures | undefined {
  const values = new Map([...info.matchAll(/^(\w+):(.*?)\r?$/gm)].map(([, name = "", value = ""]) => [name, value]));
  const number = (name: string) => Number(values.get(name) ?? Number.NaN);
  const keys = [...info.matchAll(/^db\d+:keys=(\d+)/gm)].map(([, count]) => Number(count));
  const figures = {
    memoryBytes: number("used_memory"),
    maxMemoryBytes: number("maxmemory"),
    keys: keys.reduce((sum, count) => sum + count, 0),
    clients: number("connected_clients") - 1,
    maxClients: number("maxclients"),
    opsPerSecond: number("instantaneous_ops_per_sec"),
  };
  return Object.values(figures).every(Number.isFinite) ? figures : undefined;
}
