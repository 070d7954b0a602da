/**
 * The driver port: how to open, check, reset, close and end the connections of one engine. It knows nothing of leases; it
 * keeps the promises that the lease protocol builds on, and every driver must pass the same contract suite:
 *
 * - D1 One attempt: `open` starts at most one connection attempt whose outcome is unknown. It answers `refused` only if no
 *   session of this call can exist now or later; else, when it does not answer `open`, it answers `unknown`.
 * - D2 In time: whatever is not ready after `timeoutMs` is destroyed and answered `unknown`.
 * - D3 Labelled from birth: the server shows `label` on the session from its first instant.
 * - D4 The server lets go of an idle session (also one idle inside a transaction) after `idleMs`, with nobody's help.
 * - D5 `close` says `endSeen` only if the server itself was seen to end the session (its FIN or its fatal message), never after
 *   a reset or a local destroy.
 * - D6 No statement of the borrower reaches the server while the gate is shut.
 * - D7 `end` ends exactly the sessions asked for, by bound identity or by label, in one statement; `look` reads the
 *   server's own list afresh at every call.
 * - D8 Errors of an idle or lent connection never become unhandled events; they arrive at `onEnd`, once.
 * - D9 `census` reads the server's own list afresh: every session on this server that a label of the given beginning names,
 *   whatever its role and database, and how many sessions of the role have no lease's label at all.
 *
 * An engine may lack what it takes to keep one of them in full. Its driver then says which, and what holds instead
 * (`exceptions`); the contract suite prints each test that does not apply, with that reason.
 */
export interface Driver<Connection> {
  /** 'postgres', 'mysql', … for messages and metrics. */
  readonly engine: string;
  /** What this driver keeps only in part: what holds instead, and why. Absent: it keeps everything in full. */
  readonly exceptions?: DriverExceptions;
  open(request: OpenRequest): Promise<OpenResult<Connection>>;
  /** Called when the credentials have been replaced: what was opened before should give way, bit by bit. */
  onCredentialsChange?(listener: () => void): Disposable;
}

/** Promises that some engine cannot keep in full. */
export type DriverException =
  /** D1, D4, D5, D7-D9: a connection is one session of the server from its opening to its end. */
  | 'session'
  /** D3: the server shows the label from the session's first instant. */
  | 'label-from-birth'
  /** D3: several sessions may have the same label at the same time. */
  | 'shared-label'
  /** D4: idle time is counted in ms. */
  | 'idle-in-ms'
  /** D4, D5: the end of an idle session is one that is seen. */
  | 'idle-end-seen'
  /** D5: the slot of a session that somebody else has killed is free when its end is seen. */
  | 'killed-end-frees'
  /** D5: a statement that runs when its connection is closed is told to stop. */
  | 'stop-on-close'
  /** D6: the gate is asked in the tick of the statement. */
  | 'gate-in-the-tick'
  /** A statement outside a transaction is bound as well. */
  | 'statement-timeout'
  /** D9: sessions of other roles are listed, too. */
  | 'census-of-all-roles';

export type DriverExceptions = Readonly<Partial<Record<DriverException, string>>>;

export interface OpenRequest {
  /** The session label; at most 63 bytes. */
  readonly label: string;
  /** The server's own idle timeouts are set to this, in ms. */
  readonly idleMs: number;
  /** Bound for the whole attempt, in ms, login and session identity included. */
  readonly timeoutMs: number;
  /** The session's statement timeout, in ms, unless the driver's own configuration has one; absent: none. */
  readonly statementTimeoutMs?: number;
  /** Asked before each statement of the borrower. */
  readonly gate: StatementGate;
}

/**
 * Decides whether the borrower may send a statement now: `undefined` at once if so, else a promise that resolves when it may
 * or rejects with the reason why it may not. Called in the tick of the statement, because a thawed process runs the
 * borrower's code before any timer of ours.
 */
export type StatementGate = () => Promise<void> | undefined;

/** Why a connection could not be opened. */
export type OpenFailure =
  /** The server (or the role) has no connection left. */
  | 'refused'
  /** Nobody listens there, or the name does not resolve. */
  | 'unreachable'
  /** Wrong user, password or certificate. */
  | 'auth'
  /** The password could not be had: the server was not even asked. */
  | 'credentials'
  /** The server is starting, stopping or in recovery. */
  | 'starting'
  /** The server rejects what was asked for: unknown database, setting or protocol. */
  | 'rejected'
  /** Not ready within the bound. */
  | 'timeout'
  /** The network cut the attempt. */
  | 'cut';

export type OpenResult<Connection> =
  | { readonly kind: 'open'; readonly connection: DriverConnection<Connection> }
  /** No session of this call exists now or later. */
  | { readonly kind: 'refused'; readonly failure: OpenFailure; readonly error: Error }
  /** A session may exist, or appear within the connect bound. */
  | { readonly kind: 'unknown'; readonly failure: OpenFailure; readonly error: Error };

export interface DriverConnection<Connection> {
  /** What the borrower gets: the engine's own client. */
  readonly client: Connection;
  /** The server this session lives on (its identity and start), `[0-9a-z]{1,24}`. */
  readonly server: string;
  /**
   * The session's identity as the server knows it, `[0-9a-z.]{1,60}`: `<server>.<session>.<start>`, without the start where no id
   * of a session comes twice.
   */
  readonly session: string;
  /** False from the moment the connection is known to be over. */
  readonly isOpen: boolean;
  /** No transaction is open, and no statement is in flight or waits: fit for the next borrower as it is. */
  readonly isClean: boolean;
  /** Called once, when the connection ends for any reason, also while lent. At once if it has already ended. */
  onEnd(listener: (end: ConnectionEnd) => void): void;
  /** One round trip; false if it did not answer properly in time (the connection is then unusable). */
  check(timeoutMs: number): Promise<boolean>;
  /** Makes the session fit for the next borrower: ends what was left open, and whatever else this driver is configured to. */
  reset(timeoutMs: number): Promise<ResetResult>;
  /**
   * Ends the session and waits for the server's own end, at most `timeoutMs`; then destroys the socket. A statement that
   * runs is told to stop, where the engine can. Idempotent.
   */
  close(timeoutMs: number): Promise<ConnectionEnd>;
  /** Ends other sessions of the same role and database; resolves with what was seen of each, in order. */
  end(targets: readonly SessionTarget[], timeoutMs: number): Promise<readonly EndOutcome[]>;
  /** Which of the targets the server's list still shows, in order: true = still there. */
  look(targets: readonly SessionTarget[], timeoutMs: number): Promise<readonly boolean[]>;
  /** The sessions of this server whose label begins with `prefix`. */
  census(prefix: string, timeoutMs: number): Promise<SessionCount>;
  /**
   * What the database allows now, where this engine can say. `prefix`: the labels of the sessions that are ours; missing, or
   * undefined: it cannot.
   */
  capacity?(prefix: string, timeoutMs: number): Promise<DatabaseCapacity | undefined>;
  /** Whether its socket keeps the process alive; it does at first. */
  keepAlive(isWanted: boolean): void;
}

export interface ResetResult {
  /** The session is fit for the next borrower; else it must be closed. */
  readonly isFit: boolean;
  /** A transaction was open, or could not be told not to be. */
  readonly wasInTransaction: boolean;
}

export interface ConnectionEnd {
  /** The server itself was seen to end the session (its FIN or its fatal message). */
  readonly endSeen: boolean;
  /** The last error, if there was one. */
  readonly error?: Error;
}

/** What the server's own list says about everybody's sessions. */
export interface SessionCount {
  readonly sessions: readonly LabelledSession[];
  /** Sessions of the connection's role that no lease accounts for, on whatever database; this one aside. */
  readonly foreign: number;
}

/** How many connections the database has for a fleet; all numbers of connections. */
export interface DatabaseCapacity {
  readonly maxConnections: number;
  /** Kept for others: for superusers, for roles that may use them, by the platform. */
  readonly reserved: { readonly superuser: number; readonly reserved: number; readonly platform: number };
  /** The role's own limit. */
  readonly roleLimit: number | undefined;
  readonly databaseLimit: number | undefined;
  /** Sessions that are not ours: on the whole server, and, of these, in the database, and of the leased role. */
  readonly others: { readonly server: number; readonly database: number; readonly role: number };
  /** Whose limit is the tightest. */
  readonly limitedBy: 'server' | 'role' | 'database';
  /** What is left for the fleet, what it has open included. */
  readonly usable: number;
}

export interface LabelledSession {
  readonly label: string;
  /** As `DriverConnection.session`. */
  readonly session: string;
}

/** A session to end or to look for: by its bound identity where it is known, and by its label. */
export interface SessionTarget {
  readonly label: string;
  readonly session?: string;
}

/** `seen`: a session was there and was told to end; `absent`: none was there; `denied`: there, but the right to end it is missing. */
export type EndOutcome = 'seen' | 'absent' | 'denied';
