-- keeps: 260
-- What is said of a domain's tracking goes with the domain, also where it leaves a workspace by transfer or release.
GRANT DELETE ON tracking_modes TO mailward_system;
