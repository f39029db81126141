// Starts the real binary in a folder of its own and waits until it says where it listens.

import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';

const BINARY = resolve(process.env.HALLPASS_BIN ?? join(import.meta.dirname, '../../target/debug/hallpass'));
const START_MS = 20_000;

export interface Hallpass {
  /** The address that browsers use, without a slash at the end. */
  url: string;
  stop(): Promise<void>;
}

/** `serve --demo` in an empty folder, on free ports. */
export function startDemo(): Promise<Hallpass> {
  const environment = {
    HALLPASS_LISTEN: '127.0.0.1:0',
    HALLPASS_DEMO__LISTEN: '127.0.0.1:0',
    // Stories share a server: together they make more tokens than one person usually may.
    HALLPASS_TOKENS__MAX_ACTIVE_PER_USER: '1000',
  };
  return inEmptyFolder((folder) => start(['serve', '--demo'], folder, environment));
}

/** An ordinary installation at `url`, with SQLite in an empty folder. */
export function startAt(url: string, environment: Record<string, string>): Promise<Hallpass> {
  return inEmptyFolder((folder) =>
    start(['serve'], folder, {
      HALLPASS_PUBLIC_URL: url,
      HALLPASS_LISTEN: `127.0.0.1:${new URL(url).port}`,
      HALLPASS_DATABASE__URL: `sqlite://${join(folder, 'hallpass.db')}`,
      HALLPASS_SECRET_KEY_FILE: join(folder, 'secret.key'),
      ...environment,
    }),
  );
}

/**
 * An address on this machine that is free now: a provider has to know it before the server runs. It is none of the ports that
 * the system gives to connections, or one of those could have it by then.
 */
export async function freeUrl(): Promise<string> {
  for (;;) {
    const port = randomInt(10_000, 20_000);
    const probe = createServer().listen(port, '127.0.0.1');
    const isFree = await once(probe, 'listening').then(
      () => true,
      () => false,
    );
    if (!isFree) continue;
    probe.close();
    await once(probe, 'close');
    return `http://localhost:${port}`;
  }
}

async function inEmptyFolder(run: (folder: string) => Promise<Hallpass>): Promise<Hallpass> {
  if (!existsSync(BINARY)) throw new Error(`There is no server at ${BINARY}: build it, or set HALLPASS_BIN.`);
  const folder = await mkdtemp(join(tmpdir(), 'hallpass-end2end-'));
  const remove = () => rm(folder, { recursive: true, force: true });
  try {
    const server = await run(folder);
    return { url: server.url, stop: () => server.stop().finally(remove) };
  } catch (error) {
    await remove();
    throw error;
  }
}

async function start(args: string[], folder: string, environment: Record<string, string>): Promise<Hallpass> {
  const child = spawn(BINARY, args, {
    cwd: folder,
    env: { ...inherited(), HALLPASS_METRICS_LISTEN: '', ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const said: string[] = [];
  const exited = once(child, 'exit');
  createInterface(child.stderr).on('line', (line) => said.push(line));

  const url = new Promise<string>((found) => {
    createInterface(child.stdout).on('line', (line) => {
      said.push(line);
      const address = /http:\/\/localhost:\d+/.exec(line);
      if (address) found(address[0]);
    });
  });
  const failed = exited.then(([code]) => Promise.reject(new Error(`${code}`)));
  const late = new Promise<never>((_, reject) => {
    setTimeout(() => reject(new Error(`nothing within ${START_MS} ms`)), START_MS).unref();
  });
  const stop = async () => {
    child.kill('SIGTERM');
    await exited;
  };
  try {
    return { url: await Promise.race([url, failed, late]), stop };
  } catch (error) {
    child.kill('SIGKILL');
    throw new Error(`${BINARY} ${args.join(' ')} did not start (${(error as Error).message}):\n${said.join('\n')}`);
  } finally {
    failed.catch(() => undefined);
  }
}

/** Our own environment without what would configure the server under test. */
function inherited(): Record<string, string> {
  const kept = Object.entries(process.env).filter(([name]) => !name.startsWith('HALLPASS_'));
  return Object.fromEntries(kept) as Record<string, string>;
}
