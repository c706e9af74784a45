import type { SchemaStep } from '../prepare-database.ts'
import { sumRows } from './sum-rows.ts'

/** `MWjb` in ASCII, in the file's header: tells our databases from other programs'. */
export const jobApplicationId = 0x4d576a62

function jobsTable(name: string, lastStatus: string): string {
  return `
  CREATE TABLE ${name} (
    -- Rises with every job: of an owner's jobs the lowest is the oldest.
    place INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL,
    key_id TEXT NOT NULL,
    request_id TEXT,
    model TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('single', 'batch')),
    total INTEGER NOT NULL CHECK (total >= 0),
    priority INTEGER NOT NULL CHECK (priority BETWEEN 0 AND 9),
    attempts_max INTEGER NOT NULL CHECK (attempts_max >= 1),
    webhook TEXT,
    created_at INTEGER NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('queued', 'running', 'succeeded', 'failed', 'cancelled', '${lastStatus}')),
    version INTEGER NOT NULL CHECK (version >= 1),
    done INTEGER NOT NULL CHECK (done >= 0),
    attempts INTEGER NOT NULL CHECK (attempts >= 0),
    error_code TEXT,
    error_detail TEXT,
    started_at INTEGER,
    finished_at INTEGER,
    expires_at INTEGER,
    -- Whoever has it may end the attempt.
    lease TEXT,
    -- Whether it may be claimed now: it waits, or its lease has ended.
    is_ready INTEGER NOT NULL CHECK (is_ready IN (0, 1)),
    -- When it becomes ready by itself: the next attempt's time, or the end of the lease.
    due_at INTEGER,
    CHECK ((lease IS NOT NULL) = (status = 'running')),
    CHECK ((expires_at IS NULL) = (status IN ('queued', 'running'))),
    CHECK ((is_ready = 1 OR due_at IS NOT NULL) = (status IN ('queued', 'running'))),
    CHECK (is_ready = 0 OR due_at IS NULL),
    CHECK ((error_code IS NULL) = (error_detail IS NULL))
  ) STRICT;`
}

/** Apart from the jobs, so that lists do not read them. */
function textTables(prefix: string): string {
  return `
  CREATE TABLE ${prefix}job_inputs (
    place INTEGER PRIMARY KEY REFERENCES ${prefix}jobs (place) ON DELETE CASCADE,
    inputs TEXT NOT NULL
  ) STRICT;
  CREATE TABLE ${prefix}job_results (
    place INTEGER PRIMARY KEY REFERENCES ${prefix}jobs (place) ON DELETE CASCADE,
    result TEXT NOT NULL
  ) STRICT;`
}

const jobIndexes = `
  CREATE INDEX jobs_ready ON jobs (owner, model, priority DESC, place) WHERE is_ready = 1;
  CREATE INDEX jobs_by_due_at ON jobs (due_at) WHERE due_at IS NOT NULL;
  CREATE INDEX jobs_by_expires_at ON jobs (expires_at) WHERE expires_at IS NOT NULL;
  CREATE INDEX jobs_by_finished_at ON jobs (finished_at, id) WHERE finished_at IS NOT NULL;
  CREATE INDEX jobs_by_status ON jobs (status, created_at, id);
  CREATE INDEX jobs_by_owner ON jobs (owner, status, created_at, id);`

const jobTriggers = `
  CREATE TRIGGER jobs_added AFTER INSERT ON jobs BEGIN
    INSERT INTO owners VALUES (new.owner, 1, 0) ON CONFLICT (owner) DO UPDATE SET queued = queued + 1;
    UPDATE totals SET queued = queued + 1 WHERE id = 1;
  END;
  CREATE TRIGGER jobs_changed AFTER UPDATE OF status ON jobs WHEN new.status <> old.status BEGIN
    UPDATE owners SET
      queued = queued + (new.status = 'queued') - (old.status = 'queued'),
      running = running + (new.status = 'running') - (old.status = 'running')
    WHERE owner = new.owner;
    UPDATE totals SET
      queued = queued + (new.status = 'queued') - (old.status = 'queued'),
      running = running + (new.status = 'running') - (old.status = 'running')
    WHERE id = 1;
  END;`

const webhookBytes = 'octet_length(new.job) + octet_length(new.url) + 1024'

/**
 * Bytes as the triggers keep them. Each row counts 1 KiB beside its texts, so that an owner who
 * stores nothing is one without bytes.
 */
const byteTriggers = `
  DROP TRIGGER jobs_added;
  DROP TRIGGER jobs_changed;
  CREATE TRIGGER jobs_added AFTER INSERT ON jobs BEGIN
    INSERT INTO owners (owner, queued, running, bytes) VALUES (new.owner, 1, 0, new.bytes)
      ON CONFLICT (owner) DO UPDATE SET queued = queued + 1, bytes = bytes + new.bytes;
    UPDATE totals SET queued = queued + 1, bytes = bytes + new.bytes WHERE id = 1;
  END;
  CREATE TRIGGER jobs_changed AFTER UPDATE OF status, bytes ON jobs
    WHEN new.status <> old.status OR new.bytes <> old.bytes BEGIN
    UPDATE owners SET
      queued = queued + (new.status = 'queued') - (old.status = 'queued'),
      running = running + (new.status = 'running') - (old.status = 'running'),
      bytes = bytes + new.bytes - old.bytes
    WHERE owner = new.owner;
    UPDATE totals SET
      queued = queued + (new.status = 'queued') - (old.status = 'queued'),
      running = running + (new.status = 'running') - (old.status = 'running'),
      bytes = bytes + new.bytes - old.bytes
    WHERE id = 1;
  END;
  CREATE TRIGGER jobs_removed AFTER DELETE ON jobs BEGIN
    UPDATE owners SET bytes = bytes - old.bytes WHERE owner = old.owner;
    UPDATE totals SET bytes = bytes - old.bytes WHERE id = 1;
  END;
  CREATE TRIGGER answers_added AFTER INSERT ON answers BEGIN
    INSERT INTO owners (owner, queued, running, bytes) SELECT new.owner, 0, 0, new.bytes
      WHERE new.owner IS NOT NULL
      ON CONFLICT (owner) DO UPDATE SET bytes = bytes + new.bytes;
    UPDATE totals SET bytes = bytes + new.bytes WHERE id = 1;
  END;
  CREATE TRIGGER answers_changed AFTER UPDATE OF bytes ON answers BEGIN
    UPDATE owners SET bytes = bytes + new.bytes - old.bytes WHERE owner = new.owner;
    UPDATE totals SET bytes = bytes + new.bytes - old.bytes WHERE id = 1;
  END;
  CREATE TRIGGER answers_removed AFTER DELETE ON answers BEGIN
    UPDATE owners SET bytes = bytes - old.bytes WHERE owner = old.owner;
    UPDATE totals SET bytes = bytes - old.bytes WHERE id = 1;
  END;
  CREATE TRIGGER deliveries_added AFTER INSERT ON deliveries BEGIN
    INSERT INTO owners (owner, queued, running, bytes) VALUES (new.owner, 0, 0, ${webhookBytes})
      ON CONFLICT (owner) DO UPDATE SET bytes = bytes + ${webhookBytes};
    UPDATE totals SET bytes = bytes + ${webhookBytes} WHERE id = 1;
  END;
  CREATE TRIGGER deliveries_removed AFTER DELETE ON deliveries BEGIN
    UPDATE owners SET bytes = bytes - (${webhookBytes.replaceAll('new.', 'old.')}) WHERE owner = old.owner;
    UPDATE totals SET bytes = bytes - (${webhookBytes.replaceAll('new.', 'old.')}) WHERE id = 1;
  END;
  CREATE TRIGGER owners_emptied AFTER UPDATE OF bytes ON owners WHEN new.bytes = 0 BEGIN
    DELETE FROM owners WHERE owner = new.owner;
    DELETE FROM turns WHERE owner = new.owner;
  END;`

/** The steps from an empty database to this program's. A released step is never changed. */
export const jobSteps: readonly SchemaStep[] = [
  `${jobsTable('jobs', 'parked')}
${jobIndexes}

${textTables('')}

  -- Whose turn it is: a row for each model that an owner has asked.
  CREATE TABLE turns (
    owner TEXT NOT NULL,
    model TEXT NOT NULL,
    -- The owner's last turn, or when they came: the same in all of their rows.
    served INTEGER NOT NULL,
    -- Set with each job that becomes ready; taken back by whoever finds none.
    has_ready INTEGER NOT NULL CHECK (has_ready IN (0, 1)),
    PRIMARY KEY (owner, model)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX turns_by_served ON turns (model, served) WHERE has_ready = 1;

  -- How many jobs wait and run, kept by the triggers: counting them would take longer the more there are.
  CREATE TABLE owners (
    owner TEXT NOT NULL PRIMARY KEY,
    queued INTEGER NOT NULL CHECK (queued >= 0),
    running INTEGER NOT NULL CHECK (running >= 0)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE totals (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    queued INTEGER NOT NULL CHECK (queued >= 0),
    running INTEGER NOT NULL CHECK (running >= 0),
    -- The last turn that anybody had or got.
    served INTEGER NOT NULL
  ) STRICT;
  INSERT INTO totals VALUES (1, 0, 0, 0);
${jobTriggers}

  CREATE TABLE answers (
    id TEXT NOT NULL PRIMARY KEY,
    request_digest TEXT NOT NULL,
    holder TEXT NOT NULL,
    -- NULL while it is reserved for a request under way.
    sealed BLOB,
    -- When the answer is forgotten, or the reservation ends.
    expires_at INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX answers_by_expires_at ON answers (expires_at);

  CREATE TABLE deliveries (
    place INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    job_id TEXT NOT NULL,
    owner TEXT NOT NULL,
    url TEXT NOT NULL,
    -- The job as it ended, without its result.
    job TEXT NOT NULL CHECK (json_type(job) = 'object'),
    status TEXT NOT NULL CHECK (status IN ('waiting', 'delivered', 'failed')),
    attempts INTEGER NOT NULL CHECK (attempts >= 0),
    -- When it is tried next, or when the lease of this attempt ends.
    due_at INTEGER,
    created_at INTEGER NOT NULL,
    last_at INTEGER,
    last_status INTEGER,
    last_reason TEXT,
    lease TEXT,
    -- It goes once it has ended.
    is_job_forgotten INTEGER NOT NULL CHECK (is_job_forgotten IN (0, 1)),
    CHECK ((due_at IS NOT NULL) = (status = 'waiting')),
    CHECK (lease IS NULL OR status = 'waiting')
  ) STRICT;
  CREATE INDEX deliveries_by_job ON deliveries (job_id, place);
  CREATE INDEX deliveries_by_owner ON deliveries (owner, place);
  CREATE INDEX deliveries_by_due_at ON deliveries (owner, due_at, place) WHERE due_at IS NOT NULL;
  CREATE INDEX deliveries_leased ON deliveries (owner, due_at) WHERE lease IS NOT NULL;
  -- When the first delivery of an owner is due; a row for each that has one.
  CREATE TABLE delivery_turns (
    owner TEXT NOT NULL PRIMARY KEY,
    due_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX delivery_turns_by_due_at ON delivery_turns (due_at, owner);

  CREATE TABLE webhook_secrets (
    place INTEGER PRIMARY KEY,
    owner TEXT NOT NULL,
    sealed BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    signs_until INTEGER
  ) STRICT;
  CREATE INDEX webhook_secrets_by_owner ON webhook_secrets (owner, place);
  `,
  // `parked` became `dead`. A CHECK cannot be altered, so the tables are copied, also those that
  // refer to jobs: dropping what they refer to would delete their rows.
  `${jobsTable('new_jobs', 'dead')}
  INSERT INTO new_jobs SELECT
    place, id, owner, key_id, request_id, model, kind, total, priority, attempts_max, webhook, created_at,
    replace(status, 'parked', 'dead'), version, done, attempts, error_code, error_detail,
    started_at, finished_at, expires_at, lease, is_ready, due_at
  FROM jobs;
  ${textTables('new_')}
  INSERT INTO new_job_inputs SELECT place, inputs FROM job_inputs;
  INSERT INTO new_job_results SELECT place, result FROM job_results;
  DROP TABLE job_inputs;
  DROP TABLE job_results;
  DROP TABLE jobs;
  ALTER TABLE new_jobs RENAME TO jobs;
  ALTER TABLE new_job_inputs RENAME TO job_inputs;
  ALTER TABLE new_job_results RENAME TO job_results;
  ${jobIndexes}
  ${jobTriggers}
  UPDATE deliveries SET job = json_set(job, '$.status', 'dead') WHERE json_extract(job, '$.status') = 'parked';
  `,
  // How many bytes are stored. Whose an older answer is, its row does not say: it counts in all.
  `
  ALTER TABLE jobs ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0 CHECK (bytes >= 0);
  ALTER TABLE answers ADD COLUMN owner TEXT;
  ALTER TABLE answers ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0 CHECK (bytes >= 0);
  ALTER TABLE owners ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0 CHECK (bytes >= 0);
  ALTER TABLE totals ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0 CHECK (bytes >= 0);
  UPDATE jobs SET bytes = 1024
    + coalesce((SELECT octet_length(inputs) FROM job_inputs WHERE job_inputs.place = jobs.place), 0)
    + coalesce((SELECT octet_length(result) FROM job_results WHERE job_results.place = jobs.place), 0);
  UPDATE answers SET bytes = 1024 + coalesce(length(sealed), 0);
  CREATE TEMP TABLE stored AS
    SELECT owner, bytes FROM jobs
    UNION ALL SELECT new.owner, ${webhookBytes} FROM deliveries AS new;
  INSERT OR IGNORE INTO owners (owner, queued, running) SELECT DISTINCT owner, 0, 0 FROM stored;
  UPDATE owners SET bytes = stored.bytes
    FROM (SELECT owner, sum(bytes) AS bytes FROM stored GROUP BY owner) AS stored
    WHERE stored.owner = owners.owner;
  DELETE FROM owners WHERE bytes = 0;
  UPDATE totals SET bytes = coalesce((SELECT sum(bytes) FROM stored), 0)
    + coalesce((SELECT sum(bytes) FROM answers), 0);
  DROP TABLE stored;
${byteTriggers}
  `,
  // Answers are stored as they come, in the place of whole results.
  `
  CREATE TABLE job_answers (
    place INTEGER NOT NULL REFERENCES jobs (place) ON DELETE CASCADE,
    -- Which input the first of them answers, from 0 on.
    from_input INTEGER NOT NULL CHECK (from_input >= 0),
    -- What stands between the brackets of a JSON array of them.
    answers TEXT NOT NULL,
    PRIMARY KEY (place, from_input)
  ) STRICT;
  ALTER TABLE jobs ADD COLUMN errors INTEGER NOT NULL DEFAULT 0 CHECK (errors >= 0);
  ALTER TABLE jobs ADD COLUMN answer_bytes INTEGER NOT NULL DEFAULT 0 CHECK (answer_bytes >= 0);
  INSERT INTO job_answers SELECT place, 0,
    CASE kind WHEN 'batch' THEN substr(result, 2, length(result) - 2) ELSE result END
    FROM job_results JOIN jobs USING (place);
  DROP TABLE job_results;
  UPDATE jobs SET answer_bytes = octet_length(answers), bytes = 1024 + octet_length(answers)
    FROM job_answers WHERE job_answers.place = jobs.place;
  -- What an attempt had done was stored nowhere.
  UPDATE jobs SET done = 0 WHERE status <> 'succeeded';
  `,
  sumRows,
]
