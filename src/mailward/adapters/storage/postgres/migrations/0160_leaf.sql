-- keeps: 100
-- Columns made from an entry's own bytes call it as whoever writes the entry: a tenant, and the system. Nobody else.
REVOKE ALL ON FUNCTION leaf_field FROM PUBLIC;
GRANT EXECUTE ON FUNCTION leaf_field TO mailward_tenant, mailward_system;
