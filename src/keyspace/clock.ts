/**
 * The one notion of time of a keyspace (architecture D5). A write is judged by its entry's stamp. A
 * read never changes anything: it may see that the leader's clock is past a deadline that the log
 * has not reached, and then says so, so that the log's time is moved on before it is repeated.
 */
export class KeyspaceClock {
  /** Keys with a deadline of at most this are gone. */
  logMs = 0;
  /** For a read: deadlines after `logMs` and up to this make `behind` true. */
  leaderMs = 0;
  /** True while write commands run. */
  writing = false;
  /** A read met a key whose deadline only the log's time has not reached. */
  behind = false;
  /** Keys removed because their time had come. */
  expiredKeys = 0;
}
