from manualgrad.benchmarks.command import main

raise SystemExit(main())
