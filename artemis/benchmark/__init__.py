"""How fast Artemis is on this machine, stage by stage and beside what users write otherwise."""
