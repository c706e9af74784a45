-- Two roles for a fleet: one changes the schema, the other runs nodes and commands and can change
-- nothing of it. Run this once in the deployment's database, as a superuser, or, at a provider
-- without one, as a role that may create roles and schemas, after
--   GRANT modelward_owner TO CURRENT_USER;
-- behind the first two lines. Then give both a password, by \password in psql. Another schema has
-- its name in the place of modelward below, and ?schema= in both URLs.

CREATE ROLE modelward_owner LOGIN;
CREATE ROLE modelward_node LOGIN;

-- For `modelward migrate` and `modelward copy`: all that is in the schema is its own.
CREATE SCHEMA modelward AUTHORIZATION modelward_owner;

-- For nodes with --migrate never, their workers, and all other commands: rows alone. No table, index
-- or function of theirs, no TRUNCATE, and no right to a later schema step.
GRANT USAGE ON SCHEMA modelward TO modelward_node;
ALTER DEFAULT PRIVILEGES FOR ROLE modelward_owner IN SCHEMA modelward
  GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO modelward_node;
ALTER DEFAULT PRIVILEGES FOR ROLE modelward_owner IN SCHEMA modelward
  GRANT USAGE ON SEQUENCES TO modelward_node;

-- Of use where these were taken from PUBLIC, which has them by default.
DO $$ BEGIN
  EXECUTE format('GRANT CONNECT ON DATABASE %I TO modelward_owner, modelward_node', current_database());
END $$;
ALTER DEFAULT PRIVILEGES FOR ROLE modelward_owner IN SCHEMA modelward
  GRANT EXECUTE ON FUNCTIONS TO modelward_node;
ALTER DEFAULT PRIVILEGES FOR ROLE modelward_owner IN SCHEMA modelward
  GRANT USAGE ON TYPES TO modelward_node;
