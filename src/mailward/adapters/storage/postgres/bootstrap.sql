-- Roles and schema of Mailward. Run once in its database, by an administrator: a superuser, or, on a managed server,
-- a role with CREATEROLE that owns the database. It may be run again. Passwords are set apart, with ALTER ROLE.
--
--   mailward_owner   owns the schema and its tables and runs the migrations; no part of the server connects as this role
--   mailward_app     what the server connects as; owns nothing, inherits nothing, sees nothing by itself
--   mailward_tenant  what a transaction of the server becomes for one workspace: the policies show that one's rows only
--   mailward_system  what it becomes for work that belongs to no workspace: leases, upkeep, sign-in
DO $$
DECLARE
  name text;
  me text := current_user;
BEGIN
  FOREACH name IN ARRAY ARRAY['mailward_owner', 'mailward_app', 'mailward_tenant', 'mailward_system'] LOOP
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.rolname = name) THEN
      EXECUTE format('CREATE ROLE %I NOLOGIN NOINHERIT', name);
    END IF;
  END LOOP;
  ALTER ROLE mailward_owner LOGIN;
  ALTER ROLE mailward_app LOGIN;
  GRANT mailward_tenant, mailward_system TO mailward_app;
  -- Names are looked for in our schema only: nobody can put an object of the same name in front of ours.
  EXECUTE format('ALTER ROLE mailward_owner IN DATABASE %I SET search_path = mailward', current_database());
  EXECUTE format('ALTER ROLE mailward_app IN DATABASE %I SET search_path = mailward', current_database());
  EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
  EXECUTE format('GRANT CONNECT ON DATABASE %I TO mailward_owner, mailward_app', current_database());
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = 'mailward') THEN
    -- A schema is given to a role that one may become. From version 16 on, having created it is not enough for that.
    IF pg_catalog.pg_has_role(me, 'mailward_owner', 'MEMBER')
       AND (current_setting('is_superuser') = 'on' OR current_setting('server_version_num')::int < 160000) THEN
      CREATE SCHEMA mailward AUTHORIZATION mailward_owner;
    ELSE
      EXECUTE format('GRANT mailward_owner TO %I', me);
      CREATE SCHEMA mailward AUTHORIZATION mailward_owner;
      EXECUTE format('REVOKE mailward_owner FROM %I', me);
    END IF;
  END IF;
END
$$;
