# units: what systemd needs to know, and settings to start from.

holdfast_units_in = units/holdfast-agent.service.in units/holdfast-master.service.in units/user/holdfast-agent.service.in
holdfast_defaults = units/holdfast-agent.default units/holdfast-master.default

systemdsystemunit_DATA = units/holdfast-agent.service units/holdfast-master.service
systemduserunit_DATA = units/user/holdfast-agent.service
dist_systemdsystemunit_DATA = units/holdfast-agent.socket units/holdfast.slice
catalogdir = $(prefix)/lib/systemd/catalog
dist_catalog_DATA = units/holdfast.catalog
sysusersdir = $(prefix)/lib/sysusers.d

EXTRA_DIST += $(holdfast_units_in) $(holdfast_defaults) units/holdfast.sysusers
CLEANFILES += $(systemdsystemunit_DATA) $(systemduserunit_DATA)

# The directories of make, not of configure: `make install prefix=…` may differ.
units/%.service: $(srcdir)/units/%.service.in Makefile
	$(AM_V_GEN)$(MKDIR_P) $(@D) && sed -e 's|@sbindir[@]|$(sbindir)|g' -e 's|@sysconfdir[@]|$(sysconfdir)|g' \
	        $(srcdir)/units/$*.service.in >$@.tmp && mv $@.tmp $@

# Settings that somebody has edited are neither overwritten nor removed.
install-data-local: install-holdfast-defaults
install-holdfast-defaults:
	$(MKDIR_P) '$(DESTDIR)$(sysconfdir)/default' '$(DESTDIR)$(sysusersdir)'
	@for file in $(holdfast_defaults); do \
	        to='$(DESTDIR)$(sysconfdir)/default/'`basename $$file .default`; \
	        test -e "$$to" || $(INSTALL_DATA) $(srcdir)/$$file "$$to" || exit 1; \
	done
	$(INSTALL_DATA) $(srcdir)/units/holdfast.sysusers '$(DESTDIR)$(sysusersdir)/holdfast.conf'

uninstall-local: uninstall-holdfast-defaults
uninstall-holdfast-defaults:
	@for file in $(holdfast_defaults); do \
	        from='$(DESTDIR)$(sysconfdir)/default/'`basename $$file .default`; \
	        ! cmp -s $(srcdir)/$$file "$$from" || rm -f "$$from"; \
	done
	rm -f '$(DESTDIR)$(sysusersdir)/holdfast.conf'

.PHONY: install-holdfast-defaults uninstall-holdfast-defaults
