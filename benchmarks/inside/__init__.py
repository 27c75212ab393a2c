"""Parts of Shoreline as programs of their own, so that a part can be measured without the job around it."""
